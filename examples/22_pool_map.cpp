// SPDX-License-Identifier: BSL-1.0
// Applies a function to every number of a list, in worker processes.
#include <iostream>
#include <multiprocessing.hpp>
#include <vector>

namespace mp = multiprocessing;

int square(int x) {
    return x * x;
}

int main() {
    std::vector<int> numbers{1, 2, 3, 4, 5};
    mp::Pool pool(2);
    for (int result : pool.map(square, numbers))
        std::cout << result << '\n';
}
