// SPDX-License-Identifier: BSL-1.0
// The work of the payload benchmarks: a vector of 64 MiB goes there and comes back.
#pragma once

#include <cstddef>
#include <numeric>
#include <vector>

#include "../support/measure.hpp"

namespace benchmark {

constexpr std::size_t full_size = std::size_t{64} << 20;
constexpr std::size_t quick_size = std::size_t{1} << 20;

inline std::vector<double> payload(std::size_t bytes) {
    std::vector<double> result(bytes / sizeof(double));
    std::iota(result.begin(), result.end(), 1.0);
    return result;
}

}  // namespace benchmark
