// SPDX-License-Identifier: BSL-1.0
// The same computations in OpenMP, with dynamic scheduling.
#include "../support/openmp_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    const OpenmpPool pool(options.workers());
    run_all(options,
            [&](auto function, const auto& input) { return pool.map(function, input, 1); });
}
