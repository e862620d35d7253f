// SPDX-License-Identifier: BSL-1.0
// Ten processes increment one counter. Reading and writing it are two steps, so each process takes
// the counter's lock around them; without it increments would be lost.
#include <multiprocessing.hpp>

#include <iostream>
#include <mutex>
#include <vector>

namespace mp = multiprocessing;

void increment(mp::Value<int> counter) {
    std::scoped_lock guard(counter.get_lock());
    counter.value() += 1;
}

int main() {
    mp::freeze_support();
    mp::Value<int> counter(0);

    std::vector<mp::Process> processes;
    for (int i = 0; i < 10; ++i)
        processes.push_back(mp::Process(increment, {counter}));
    for (auto& process : processes)
        process.start();
    for (auto& process : processes)
        process.join();

    std::cout << "Final Value: " << counter.value() << "\n";
}
