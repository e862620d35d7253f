// SPDX-License-Identifier: BSL-1.0
// How many workers? One for each CPU that the program may use, which is what a Pool takes by
// itself. A hundred have no more CPUs to run on: those without a task wait, and all cost memory.
#include <unistd.h>
#include <chrono>
#include <iostream>
#include <multiprocessing.hpp>
#include <ranges>
#include <set>
#include <vector>

namespace mp = multiprocessing;

struct Work {
    long sum;
    pid_t worker;
};

Work work(int item) {
    long sum = 0;
    for (int i = 0; i < 200'000; ++i)
        sum += i % (item + 1);
    return {sum, ::getpid()};
}

/// Runs eight tasks, and prints what is certain about them. The time goes to standard error.
void try_pool(int workers) {
    const auto start = std::chrono::steady_clock::now();
    mp::Pool pool(workers);
    std::set<pid_t> busy;
    long sum = 0;
    for (const Work& result : pool.map(work, std::views::iota(0, 8), {.chunksize = 1})) {
        busy.insert(result.worker);
        sum += result.sum;
    }
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    std::cerr << workers << " workers: " << time.count() << " s\n";
    std::cout << workers << " workers: the sum of 8 tasks is " << sum
              << ", and more than 8 workers had nothing to do: "
              << (workers - static_cast<int>(busy.size()) > 8) << '\n';
}

int main() {
    std::cout << std::boolalpha << "there is a CPU: " << (mp::cpu_count() >= 1)
              << "\nall of them may be used, or fewer: "
              << (mp::process_cpu_count() <= mp::cpu_count()) << '\n';
    try_pool(2);
    try_pool(100);
}
