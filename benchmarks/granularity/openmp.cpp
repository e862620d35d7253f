// SPDX-License-Identifier: BSL-1.0
// Tasks of growing length in OpenMP: a plain parallel loop, and one with schedule(dynamic, 1).
#include "../support/openmp_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    const OpenmpPool pool(options.workers());
    run_lengths(options, "", [&](const auto& tasks) { return pool.map(compute, tasks); });
    run_lengths(options, "_chunksize_1",
                [&](const auto& tasks) { return pool.map(compute, tasks, 1); });
}
