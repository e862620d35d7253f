#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long a program compiles that maps three numbers with oneTBB."""

import compiling

POOL = """#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <vector>

int square(int x) {
    return x * x;
}

int main() {
    const std::vector<int> numbers{1, 2, 3};
    std::vector<int> results(numbers.size());
    oneapi::tbb::task_arena pool(2);
    pool.execute([&] {
        oneapi::tbb::parallel_for(std::size_t{0}, numbers.size(),
                                  [&](std::size_t i) { results[i] = square(numbers[i]); });
    });
    return results.back() == 9 ? 0 : 1;
}
"""

if __name__ == "__main__":
    compiling.run({"pool": POOL}, ["-ltbb"])
