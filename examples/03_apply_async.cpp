// SPDX-License-Identifier: BSL-1.0
// Submits single calls and collects their results later: get, get with a timeout, callbacks.
#include <chrono>
#include <exception>
#include <iostream>
#include <multiprocessing.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

int power(int base, int exponent) {
    return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

std::string sleep_for(std::chrono::milliseconds duration) {
    std::this_thread::sleep_for(duration);
    return "slept well";
}

double root(double x) {
    throw std::domain_error("no root of " + std::to_string(static_cast<int>(x)));
}

int main() {
    mp::Pool pool(2);

    std::vector<mp::AsyncResult<int>> results;
    for (int exponent = 0; exponent < 10; ++exponent)
        results.push_back(pool.apply_async(power, {2, exponent}));
    for (auto& result : results)
        std::cout << result.get() << ' ';
    std::cout << '\n';

    auto nap = pool.apply_async(sleep_for, {1000ms});
    try {
        nap.get(10ms);
    } catch (const mp::TimeoutError&) {
        std::cout << "not ready after 10 ms\n";
    }
    std::cout << nap.get() << '\n';

    // Callbacks run in a thread of the pool, before the result is ready.
    auto good = pool.apply_async(power, {3, 4}, {.callback = [](const int& result) {
                                     std::cout << "callback: " << result << '\n';
                                 }});
    good.wait();
    auto bad = pool.apply_async(root, {-1.0}, {.error_callback = [](std::exception_ptr error) {
                                    try {
                                        std::rethrow_exception(error);
                                    } catch (const std::domain_error& e) {
                                        std::cout << "error callback: " << e.what() << '\n';
                                    }
                                }});
    bad.wait();
    std::cout << std::boolalpha << good.successful() << ' ' << bad.successful() << '\n';
}
