// SPDX-License-Identifier: BSL-1.0
// A Value is one object in shared memory, with a lock beside it: `counter.value() += 1` reads and
// writes, so the lock is held around it. An Array is many; who has an element alone needs no lock.
#include <cstddef>
#include <iostream>
#include <multiprocessing.hpp>
#include <mutex>
#include <tuple>
#include <vector>

namespace mp = multiprocessing;

void count(std::size_t number, mp::Value<int> counter, mp::Array<int> own) {
    for (int i = 0; i < 1000; ++i) {
        std::scoped_lock guard(counter.get_lock());
        counter.value() += 1;
    }
    own[number] = static_cast<int>(number * number);
}

int main() {
    mp::Value<int> counter(0);
    mp::Array<int> own(10);
    std::vector<mp::Process> processes;
    for (std::size_t number = 0; number < own.size(); ++number)
        processes.emplace_back(count, std::tuple(number, counter, own));
    for (auto& process : processes)
        process.start();
    for (auto& process : processes)
        process.join();

    std::cout << "10 processes, 1000 increments each: " << counter.value() << "\neach its square:";
    for (const int square : own)
        std::cout << ' ' << square;
    std::cout << '\n';
}
