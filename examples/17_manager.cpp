// SPDX-License-Identifier: BSL-1.0
// A Manager keeps a dictionary and a list in a server process; ten others use them through proxies.
#include <iostream>
#include <multiprocessing.hpp>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

namespace mp = multiprocessing;

void work(int number, mp::DictProxy<std::string, int> squares, mp::ListProxy<int> finished,
          mp::DictProxy<std::string, int> totals, mp::LockProxy lock) {
    squares["square of " + std::to_string(number)] = number * number;  // one call: atomic
    finished.append(number);
    std::scoped_lock guard(lock);  // two calls, a read and a write: not atomic
    totals["sum"] += number;
}

int main() {
    mp::freeze_support();
    mp::Manager manager;
    const auto squares = manager.dict<std::string, int>();
    const auto finished = manager.list<int>();
    const auto totals = manager.dict<std::string, int>({{"sum", 0}});
    const auto lock = manager.Lock();

    std::vector<mp::Process> processes;
    for (int number = 0; number < 10; ++number)
        processes.emplace_back(work, std::tuple(number, squares, finished, totals, lock));
    for (auto& process : processes)
        process.start();
    for (auto& process : processes)
        process.join();

    std::cout << squares.size() << " squares, that of 9 is " << squares["square of 9"] << '\n';
    finished.sort();  // they finished in any order
    std::cout << "finished:";
    for (const int number : finished)
        std::cout << ' ' << number;
    std::cout << "\nsum: " << totals["sum"] << '\n';
}
