// SPDX-License-Identifier: BSL-1.0
// What tests that try their luck need: how often they try, and numbers that differ in every run.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace test_support {

/// Multiplies a number of loops by MULTIPROCESSING_TEST_SCALE, for runs by hand.
/// @returns at least 1
template <class Number>
Number scaled(Number loops) {
    const char* const text = std::getenv("MULTIPROCESSING_TEST_SCALE");
    const double factor = text != nullptr ? std::strtod(text, nullptr) : 1.0;
    return std::max(Number{1},
                    static_cast<Number>(static_cast<double>(loops) * (factor > 0 ? factor : 1)));
}

/// One source for a whole program; its seed is printed.
inline std::mt19937& random_source() {
    static std::mt19937 source = [] {
        const unsigned seed = std::random_device{}();
        std::fprintf(stderr, "seed %u\n", seed);
        return std::mt19937(seed);
    }();
    return source;
}

}  // namespace test_support
