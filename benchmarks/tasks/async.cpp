// SPDX-License-Identifier: BSL-1.0
// The same tasks one at a time by std::async, which starts a thread for each.
#include <future>

#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    measure_apply(options, [](int i) { return std::async(std::launch::async, no_op, i).get(); });
}
