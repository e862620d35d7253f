// SPDX-License-Identifier: BSL-1.0
// Uneven tasks in oneTBB: as it cuts them by itself, and one by one.
#include "../support/tbb_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    TbbPool pool(options.workers());
    run_orders(
        options, [&](const auto& tasks) { return pool.map(compute, tasks); },
        [&](const auto& tasks) { return pool.map(compute, tasks, 1); });
}
