// SPDX-License-Identifier: BSL-1.0
// What a task costs in a pool of two worker processes.
#include <multiprocessing/pool.hpp>
#include <numeric>
#include <ranges>
#include <vector>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

void apply_async(mp::Pool<>& pool, int count) {
    long long sum = 0;
    const double time = seconds([&] {
        std::vector<mp::AsyncResult<int>> results;
        results.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i)
            results.push_back(pool.apply_async(no_op, {i}));
        for (auto& result : results)
            sum += result.get();
    });
    require(sum == expected_sum(count), "apply_async");
    report_each("apply_async", time, count);
}

void map(mp::Pool<>& pool, const char* name, int count, mp::MapOptions options) {
    const std::vector<int> input = numbers(count);
    std::vector<int> output;
    const double time = seconds([&] { output = pool.map(no_op, input, options); });
    require(output == input, name);
    report_each(name, time, count);
}

void imap(mp::Pool<>& pool, int count) {
    int next = 0;
    const double time = seconds([&] {
        for (int result : pool.imap(no_op, std::views::iota(0, count), {.chunksize = 1}))
            require(result == next++, "imap");
    });
    require(next == count, "imap");
    report_each("imap", time, count);
}

void apply(mp::Pool<>& pool, int count) {
    long long sum = 0;
    const double time = seconds([&] {
        for (int i = 0; i < count; ++i)
            sum += pool.apply(no_op, {i});
    });
    require(sum == expected_sum(count), "apply");
    report_each("apply", time, count);
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    mp::Pool<> pool(workers);
    pool.map(no_op, numbers(10000));  // every contender is measured warm

    if (options.wants("apply_async"))
        apply_async(pool, options.size(200000, 2000));
    if (options.wants("map_chunksize_1"))
        map(pool, "map_chunksize_1", options.size(200000, 2000), {.chunksize = 1});
    if (options.wants("map"))
        map(pool, "map", options.size(1000000, 10000), {});
    if (options.wants("imap"))
        imap(pool, options.size(200000, 2000));
    if (options.wants("apply"))
        apply(pool, options.size(10000, 200));
}
