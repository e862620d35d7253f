// SPDX-License-Identifier: BSL-1.0
// The interface of section 3: start methods and contexts.
#include <string>

#include <multiprocessing.hpp>

namespace mp = multiprocessing;

void f();

int main() {
    mp::freeze_support();
    mp::set_start_method(mp::StartMethod::spawn);
    const std::string name = to_string(mp::get_start_method());
    for ([[maybe_unused]] const mp::StartMethod method : mp::get_all_start_methods()) {
    }
    mp::Process p(f, {}, {.start_method = mp::StartMethod::spawn});
    mp::Pool pool({.processes = 2, .start_method = mp::StartMethod::spawn});

    auto context = mp::get_context(mp::StartMethod::forkserver);
    auto process = context.Process(f, {}, {.name = "x"});
    auto plain = context.Pool();
    auto four = context.Pool(4);
    auto two = context.Pool({.processes = 2});
    auto bound = context.Pool([](int x) { return x; }, {.processes = 1});
    bound.map({1, 2});
    process.start();
    return name.empty() ? 1 : 0;
}
