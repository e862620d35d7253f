// SPDX-License-Identifier: BSL-1.0
// Tasks of growing length in oneTBB: as it cuts them by itself, and one by one.
#include "../support/tbb_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    TbbPool pool(options.workers());
    run_lengths(options, "", [&](const auto& tasks) { return pool.map(compute, tasks); });
    run_lengths(options, "_chunksize_1",
                [&](const auto& tasks) { return pool.map(compute, tasks, 1); });
}
