// SPDX-License-Identifier: BSL-1.0
// What a task costs when it goes to another rank of an MPI program.
#include <multiprocessing/mpi.hpp>
#include <ranges>

#include "../tasks/workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

void imap(mp::mpi::Pool& pool, int count) {
    int next = 0;
    const double time = seconds([&] {
        for (int result : pool.imap(no_op, std::views::iota(0, count), {.chunksize = 1}))
            require(result == next++, "imap");
    });
    require(next == count, "imap");
    report_each("imap", time, count);
}

}  // namespace

int main(int argc, char** argv) {
    return mp::mpi::run(argc, argv, [&](mp::mpi::Pool& pool) {
        const Options options(argc, argv);
        pool.map(no_op, numbers(10000));
        measure_apply_async(options, [&](int count) {
            return submit_then_get(count, [&](int i) { return pool.apply_async(no_op, {i}); });
        });
        measure_map_chunksize(options, [&](const std::vector<int>& input, int chunksize) {
            return pool.map(no_op, input, {.chunksize = chunksize});
        });
        measure_map(options, [&](const std::vector<int>& input) { return pool.map(no_op, input); });
        if (options.wants("imap"))
            imap(pool, options.size(200000, 2000));
        measure_apply(options, [&](int i) { return pool.apply(no_op, {i}); });
    });
}
