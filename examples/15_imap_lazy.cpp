// SPDX-License-Identifier: BSL-1.0
// imap over input that does not fit in memory, here without an end: it is read while the results
// are, never more than `buffersize` items ahead of them.
#include <algorithm>
#include <iostream>
#include <multiprocessing.hpp>
#include <ranges>
#include <vector>

namespace mp = multiprocessing;

mp::Event signal_to_slow;  // the workers inherit it

long collatz_steps(long n) {
    long steps = 0;
    for (; n != 1; ++steps)
        n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    return steps;
}

int slow_or_fast(int n) {
    if (n == 0)
        signal_to_slow.wait();
    return n;
}

int main() {
    mp::Pool pool(2);

    // The first number that needs more than 250 steps, among all numbers. Order is kept.
    long read = 0, number = 0, ahead = 0;
    auto input =
        std::views::iota(1L) | std::views::transform([&read](long n) { return ++read, n; });
    for (long steps : pool.imap(collatz_steps, input, {.chunksize = 32, .buffersize = 256})) {
        ahead = std::max(ahead, read - number);
        ++number;
        if (steps > 250)
            break;
    }
    std::cout << number << " needs more than 250 steps\n"
              << "at most 256 items were in memory: " << (ahead <= 256 ? "yes" : "no") << '\n';

    // imap_unordered gives results as they come: a slow item does not hold up the others.
    for (int result : pool.imap_unordered(slow_or_fast, {0, 1, 2})) {
        std::cout << (result == 0 ? "slow" : "fast") << '\n';
        if (result == 2)
            signal_to_slow.set();
    }
}
