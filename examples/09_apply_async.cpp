// SPDX-License-Identifier: BSL-1.0
// apply waits for the result of one call. apply_async gives a promise of it at once: ask with
// ready(), wait with wait() or get(), as long as you like; or have a callback called.
#include <chrono>
#include <exception>
#include <iostream>
#include <multiprocessing.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

int power(int base, int exponent) {
    return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

std::string wait_for(mp::Event signal) {
    signal.wait();
    return "the signal came";
}

double root(double x) {
    throw std::domain_error("no root of " + std::to_string(static_cast<int>(x)));
}

int main() {
    mp::Event signal;
    mp::Pool pool(2);
    std::cout << std::boolalpha << "apply: " << pool.apply(power, {2, 10}) << '\n';

    // Many calls at once, their results in any order that you like.
    std::vector<mp::AsyncResult<int>> results;
    for (int exponent = 0; exponent < 8; ++exponent)
        results.push_back(pool.apply_async(power, {2, exponent}));
    for (auto& result : results)
        std::cout << result.get() << (&result == &results.back() ? "\n" : " ");

    auto answer = pool.apply_async(wait_for, {signal});
    std::cout << "ready: " << answer.ready() << '\n';
    try {
        answer.get(10ms);
    } catch (const mp::TimeoutError&) {
        std::cout << "not within 10 ms\n";
    }
    signal.set();
    std::cout << answer.get() << ", ready: " << answer.ready() << '\n';

    // An exception waits for get(). Callbacks run in a thread of the pool, before ready() is true.
    auto bad = pool.apply_async(root, {-1.0}, {.error_callback = [](std::exception_ptr) {
                                    std::cout << "the error callback is called\n";
                                }});
    try {
        bad.get();
    } catch (const std::domain_error& error) {
        std::cout << error.what() << ", successful: " << bad.successful() << '\n';
    }
}
