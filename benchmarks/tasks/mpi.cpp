// SPDX-License-Identifier: BSL-1.0
// The same tasks as messages of Boost.MPI.
#include "../support/mpi_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

constexpr int full_count = 20000;

void measure(MpiPool<no_op>& pool, const Options& options) {
    pool.map(no_op, numbers(10000));

    measure_apply_async(
        options, [&](int count) { return sum(pool.map(no_op, numbers(count), 1)); }, full_count);
    measure_map_chunksize(
        options,
        [&](const std::vector<int>& input, int chunksize) {
            return pool.map(no_op, input, chunksize);
        },
        full_count);
    measure_map(options, [&](const std::vector<int>& input) { return pool.map(no_op, input); });
    measure_apply(options, [&](int i) { return pool.map(no_op, std::vector<int>{i}, 1).front(); });
}

}  // namespace

int main(int argc, char** argv) {
    MpiPool<no_op>::run(argc, argv, measure);
}
