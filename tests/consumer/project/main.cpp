// SPDX-License-Identifier: BSL-1.0
// The README's program.
#include <iostream>
#include <multiprocessing.hpp>

namespace mp = multiprocessing;

int square(int x) { return x * x; }

int main() {
    mp::freeze_support();
    mp::Pool pool(4);
    for (int result : pool.map(square, {1, 2, 3}))
        std::cout << result << ' ';
    std::cout << pool.apply(square, {4}) << '\n';
}
