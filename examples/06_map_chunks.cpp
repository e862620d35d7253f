// SPDX-License-Identifier: BSL-1.0
// map over 1,000 items. They travel in chunks: few large ones cost least, many small ones spread
// uneven work best. The results are the same and in the order of the items, whatever the chunks.
#include <unistd.h>
#include <cstddef>
#include <iostream>
#include <multiprocessing.hpp>
#include <numeric>
#include <set>
#include <vector>

namespace mp = multiprocessing;

int square(int x) {
    return x * x;
}

pid_t worker(int /*item*/) {
    return ::getpid();
}

int main() {
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);

    mp::Pool pool(2);
    const std::vector<int> squares = pool.map(square, numbers);  // about four chunks a worker
    std::cout << squares.size() << " results, the last one " << squares.back() << '\n';
    for (const int chunksize : {1, 100, 1000})
        std::cout << "chunks of " << chunksize << " give the same: "
                  << (pool.map(square, numbers, {.chunksize = chunksize}) == squares ? "yes" : "no")
                  << '\n';

    // A chunk is one task of one worker. Here each worker does one task and is replaced.
    mp::Pool<> single({.processes = 1, .maxtasksperchild = 1});
    const auto workers = single.map(worker, numbers, {.chunksize = 250});
    std::cout << "chunks of 250 are " << std::set(workers.begin(), workers.end()).size()
              << " tasks\n";
}
