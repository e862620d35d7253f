#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long a program compiles that maps three numbers with std::async."""

import compiling

POOL = """#include <future>
#include <vector>

int square(int x) {
    return x * x;
}

int main() {
    std::vector<std::future<int>> results;
    for (int x : {1, 2, 3})
        results.push_back(std::async(std::launch::async, square, x));
    return results.back().get() == 9 ? 0 : 1;
}
"""

if __name__ == "__main__":
    compiling.run({"pool": POOL})
