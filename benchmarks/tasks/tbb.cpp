// SPDX-License-Identifier: BSL-1.0
// The same tasks in oneTBB. Not one at a time: the caller would run them itself while it waits.
#include <tbb/task_group.h>

#include "../support/tbb_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

long long apply_async(int count) {
    std::vector<int> results(static_cast<std::size_t>(count));
    tbb::task_group group;
    int i = 0;
    for (int& result : results)
        group.run([&result, i = i++] { result = no_op(i); });
    group.wait();
    return sum(results);
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    TbbPool pool(options.workers());
    pool.map(no_op, numbers(10000), 1);

    measure_apply_async(
        options, [&](int count) { return pool.run([count] { return apply_async(count); }); });
    measure_map_chunksize(options, [&](const std::vector<int>& input, int chunksize) {
        return pool.map(no_op, input, chunksize);
    });
    measure_map(options, [&](const std::vector<int>& input) { return pool.map(no_op, input); });
}
