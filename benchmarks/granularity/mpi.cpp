// SPDX-License-Identifier: BSL-1.0
// Tasks of growing length in Boost.MPI: four messages for each worker, and one for each task.
#include "../support/mpi_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    using Pool = MpiPool<compute>;
    Pool::run(argc, argv, [](Pool& pool, const Options& options) {
        run_lengths(options, "", [&](const auto& tasks) { return pool.map(compute, tasks); });
        run_lengths(options, "_chunksize_1",
                    [&](const auto& tasks) { return pool.map(compute, tasks, 1); });
    });
}
