// SPDX-License-Identifier: BSL-1.0
// The work of the task benchmarks: none at all, so that what is measured is the way there and back.
#pragma once

#include <numeric>
#include <vector>

#include "../support/measure.hpp"

namespace benchmark {

constexpr int workers = 2;

/// The task. Not inlined: each contender really calls it.
[[gnu::noinline]] inline int no_op(int x) {
    asm volatile("");
    return x;
}

inline std::vector<int> numbers(int count) {
    std::vector<int> result(static_cast<std::size_t>(count));
    std::iota(result.begin(), result.end(), 0);
    return result;
}

/// The sum of 0 ... count - 1: what the results of `no_op` must add up to.
constexpr long long expected_sum(long long count) {
    return count * (count - 1) / 2;
}

inline void report_each(const char* name, double seconds, int count) {
    report(name, seconds * 1e9 / count, "ns");
}

}  // namespace benchmark
