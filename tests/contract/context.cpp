// SPDX-License-Identifier: BSL-1.0
// The public promise of start methods and contexts, as users write it: it must compile without a
// warning.
#include <multiprocessing.hpp>

namespace mp = multiprocessing;

void f() {}

int main() {
    mp::set_start_method(mp::StartMethod::spawn);
    mp::get_start_method();
    mp::get_all_start_methods();
    to_string(mp::get_start_method());

    mp::Process p(f, {}, {.start_method = mp::StartMethod::spawn});
    mp::Pool pool({.processes = 2, .start_method = mp::StartMethod::spawn});

    auto context = mp::get_context(mp::StartMethod::forkserver);
    auto process = context.Process(f, {}, {.name = "x"});
    auto with_options = context.Pool({.processes = 2});
    auto with_number = context.Pool(4);
    auto with_nothing = context.Pool();
    auto bound = context.Pool([](int x) { return x; }, {.processes = 1});
    bound.map({1, 2});
    process.start();
}
