// SPDX-License-Identifier: BSL-1.0
// Uneven tasks in OpenMP, with schedule(dynamic, 1), which is what it has for them.
#include "../support/openmp_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    const OpenmpPool pool(options.workers());
    run_orders(options, [&](const auto& tasks) { return pool.map(compute, tasks, 1); });
}
