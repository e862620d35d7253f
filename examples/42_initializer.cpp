// SPDX-License-Identifier: BSL-1.0
// Prepares each worker once: a table that is dear to make, made before the first task.
#include <unistd.h>
#include <cstddef>
#include <iostream>
#include <multiprocessing.hpp>
#include <set>
#include <vector>

namespace mp = multiprocessing;

std::vector<bool> composite;  // of the worker: each process has its own

void make_sieve() {
    composite.assign(1'000'001, false);
    for (std::size_t i = 2; i * i < composite.size(); ++i)
        for (std::size_t j = i * i; j < composite.size() && !composite[i]; j += i)
            composite[j] = true;
}

int count_primes(std::size_t first, std::size_t last) {
    int count = 0;
    for (std::size_t n = first; n < last; ++n)
        count += composite.at(n) ? 0 : 1;
    return count;
}

pid_t worker(int /*task*/) {
    return ::getpid();
}

int main() {
    mp::Pool<> pool({.processes = 2, .initializer = make_sieve});
    int sum = 0;
    for (int count :
         pool.starmap(count_primes,
                      {{2, 250'000}, {250'000, 500'000}, {500'000, 750'000}, {750'000, 1'000'000}}))
        sum += count;
    std::cout << sum << " primes below a million\n";
    std::cout << "in this process the table has " << composite.size() << " entries\n";

    // Workers that are replaced after so many tasks: memory that a task leaks goes with them.
    mp::Pool<> careful({.processes = 1, .maxtasksperchild = 3});
    const auto workers = careful.map(worker, std::vector<int>(9), {.chunksize = 1});
    std::cout << "9 tasks, " << std::set(workers.begin(), workers.end()).size() << " workers\n";
}
