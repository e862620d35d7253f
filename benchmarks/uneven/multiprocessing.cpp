// SPDX-License-Identifier: BSL-1.0
// Uneven tasks in a pool of worker processes.
#include <multiprocessing/pool.hpp>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    mp::Pool<> pool(options.workers());
    pool.map(compute, std::vector<Rounds>(1000, 1));
    run_orders(
        options, [&](const auto& tasks) { return pool.map(compute, tasks); },
        [&](const auto& tasks) { return pool.map(compute, tasks, {.chunksize = 1}); });
}
