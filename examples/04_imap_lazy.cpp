// SPDX-License-Identifier: BSL-1.0
// Reads input without an end, and results as they come: imap holds a few items in memory at a time.
#include <chrono>
#include <iostream>
#include <multiprocessing.hpp>
#include <optional>
#include <ranges>
#include <thread>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

long collatz_steps(long n) {
    long steps = 0;
    for (; n != 1; ++steps)
        n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    return steps;
}

int sleep_and_return(int tenths) {
    std::this_thread::sleep_for(tenths * 100ms);
    return tenths;
}

int main() {
    mp::Pool pool(2);

    // The first number above zero that needs more than 250 steps. Order is kept.
    long number = 0;
    for (long steps : pool.imap(collatz_steps, std::views::iota(1L), {.chunksize = 64})) {
        ++number;
        if (steps > 250)
            break;
    }
    std::cout << number << " needs more than 250 steps\n";

    // One at a time: next() is empty at the end, next(timeout) does not wait longer.
    auto results = pool.imap(sleep_and_return, {3, 0});
    try {
        results.next(10ms);
    } catch (const mp::TimeoutError&) {
        std::cout << "the first is not ready yet\n";
    }
    while (std::optional<int> result = results.next())
        std::cout << "in order: " << *result << '\n';

    for (int result : pool.imap_unordered(sleep_and_return, {5, 0}))
        std::cout << "as they come: " << result << '\n';
}
