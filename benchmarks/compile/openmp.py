#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long a program compiles that maps three numbers with OpenMP."""

import compiling

POOL = """#include <omp.h>
#include <vector>

int square(int x) {
    return x * x;
}

int main() {
    const std::vector<int> numbers{1, 2, 3};
    std::vector<int> results(numbers.size());
    omp_set_num_threads(2);
#pragma omp parallel for
    for (std::size_t i = 0; i < numbers.size(); ++i)
        results[i] = square(numbers[i]);
    return results.back() == 9 ? 0 : 1;
}
"""

if __name__ == "__main__":
    compiling.OPTIONS.append("-fopenmp")
    compiling.run({"pool": POOL}, ["-fopenmp"])
