// SPDX-License-Identifier: BSL-1.0
// The same tasks in OpenMP. Not one at a time: the caller would run them itself while it waits.
#include "../support/openmp_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

long long apply_async(const OpenmpPool& pool, int count) {
    std::vector<int> results(static_cast<std::size_t>(count));
#pragma omp parallel num_threads(pool.workers())
#pragma omp single
    for (int i = 0; i < count; ++i) {
        int& result = results[static_cast<std::size_t>(i)];
#pragma omp task firstprivate(i) shared(result)
        result = no_op(i);
    }
    return sum(results);  // the end of the parallel region has waited for all tasks
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    const OpenmpPool pool(options.workers());
    pool.map(no_op, numbers(10000), 1);

    measure_apply_async(options, [&](int count) { return apply_async(pool, count); });
    measure_map_chunksize(options, [&](const std::vector<int>& input, int chunksize) {
        return pool.map(no_op, input, chunksize);
    });
    measure_map(options, [&](const std::vector<int>& input) { return pool.map(no_op, input); });
}
