// SPDX-License-Identifier: BSL-1.0
// The start methods as the README shows them.
#include <multiprocessing.hpp>

namespace mp = multiprocessing;

int square(int x);

// clang-format off
int main() {
    mp::freeze_support();                                  // a spawned child takes over here
    mp::set_start_method(mp::StartMethod::spawn);          // or for one object: {.start_method = ...}
    auto context = mp::get_context(mp::StartMethod::forkserver);
    auto process = context.Process(square, {3});
}
