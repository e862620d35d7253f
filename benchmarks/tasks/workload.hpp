// SPDX-License-Identifier: BSL-1.0
// The work of the task benchmarks: none at all, so that what is measured is the way there and back.
#pragma once

#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "../support/measure.hpp"

namespace benchmark {

/// The task. Not inlined: each contender really calls it.
[[gnu::noinline]] inline int no_op(int x) {
    asm volatile("");
    return x;
}

inline constexpr std::array<int, 5> chunksizes{1, 8, 64, 512, 4096};

inline std::vector<int> numbers(int count) {
    std::vector<int> result(static_cast<std::size_t>(count));
    std::iota(result.begin(), result.end(), 0);
    return result;
}

/// The sum of 0 ... count - 1: what the results of `no_op` must add up to.
constexpr long long expected_sum(long long count) {
    return count * (count - 1) / 2;
}

inline long long sum(const std::vector<int>& results) {
    return std::accumulate(results.begin(), results.end(), 0LL);
}

/// Starts all tasks with `submit(i)`, then gets what each promised.
template <class Submit>
long long submit_then_get(int count, Submit submit) {
    std::vector<decltype(submit(0))> results;
    results.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
        results.push_back(submit(i));
    long long total = 0;
    for (auto& result : results)
        total += result.get();
    return total;
}

inline void report_each(const std::string& name, double seconds, int count) {
    report(name, seconds * 1e9 / count, "ns");
}

/// apply_async: `run(count)` starts all tasks, then gets all results; it returns their sum.
/// @param full_count fewer where they take long
template <class Run>
void measure_apply_async(const Options& options, Run run, int full_count = 200000) {
    if (!options.wants("apply_async"))
        return;
    const int count = options.size(full_count, 2000);
    long long total = 0;
    const double time = seconds([&] { total = run(count); });
    require(total == expected_sum(count), "apply_async");
    report_each("apply_async", time, count);
}

/// map_chunksize: `map(numbers, chunksize)` returns the results in order. The point at 1 is
/// reported by a name of its own, too.
/// @param full_count of those one by one: fewer where they take long
template <class Map>
void measure_map_chunksize(const Options& options, Map map, int full_count = 200000) {
    for (const int chunksize : chunksizes) {
        const bool single = chunksize == 1 && options.wants("map_chunksize_1");
        const bool curve = options.wants("map_chunksize");
        if (!single && !curve)
            continue;
        const int count = options.size(chunksize == 1 ? full_count : 5 * full_count, 2000);
        const std::vector<int> input = numbers(count);
        std::vector<int> output;
        const double time = seconds([&] { output = map(input, chunksize); });
        require(output == input, "map_chunksize");
        if (single)
            report_each("map_chunksize_1", time, count);
        if (curve)
            report_at("map_chunksize", chunksize, time * 1e9 / count, "ns");
    }
}

/// map: `map(numbers)` cuts them as it does by itself.
template <class Map>
void measure_map(const Options& options, Map map) {
    if (!options.wants("map"))
        return;
    const int count = options.size(1000000, 10000);
    const std::vector<int> input = numbers(count);
    std::vector<int> output;
    const double time = seconds([&] { output = map(input); });
    require(output == input, "map");
    report_each("map", time, count);
}

/// apply and apply_latency: `apply(i)` returns the result of one task before the next one starts.
template <class Apply>
void measure_apply(const Options& options, Apply apply) {
    if (options.wants("apply")) {
        const int count = options.size(10000, 200);
        long long total = 0;
        const double time = seconds([&] {
            for (int i = 0; i < count; ++i)
                total += apply(i);
        });
        require(total == expected_sum(count), "apply");
        report_each("apply", time, count);
    }
    if (options.wants("apply_latency")) {
        std::vector<double> latencies(options.size(std::size_t{20000}, std::size_t{200}));
        int i = 0;
        for (double& latency : latencies) {
            int result = -1;
            latency = seconds([&] { result = apply(i); }) * 1e6;
            require(result == i++, "apply_latency");
        }
        report_percentiles("apply_latency", std::move(latencies), "us");
    }
}

}  // namespace benchmark
