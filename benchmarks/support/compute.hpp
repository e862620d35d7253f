// SPDX-License-Identifier: BSL-1.0
// A task of any length: a fixed amount of work, not of time, so that one that is interrupted must
// still do all of it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "measure.hpp"

namespace benchmark {

using Rounds = std::uint64_t;

inline std::uint64_t compute(const Rounds& rounds) {
    std::uint64_t state = rounds;
    for (Rounds i = 0; i < rounds; ++i)
        state = state * 6364136223846793005U + 1442695040888963407U;
    return state;
}

/// So many rounds of `compute` take a microsecond where nothing interrupts them.
inline double rounds_per_microsecond() {
    constexpr Rounds rounds = 1000000;
    double best = 1;
    std::uint64_t answers = 0;
    for (int i = 0; i < 15; ++i)
        best = std::min(best, seconds([&] { answers |= compute(rounds); }));
    require(answers != 0, "calibration");
    return static_cast<double>(rounds) / (best * 1e6);
}

}  // namespace benchmark
