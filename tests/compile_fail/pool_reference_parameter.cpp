// expect: is a reference to non-const
// SPDX-License-Identifier: BSL-1.0
// A function that writes through a reference would change a copy.
#include <multiprocessing/pool.hpp>
#include <vector>

void sort(std::vector<int>& numbers) {
    numbers.clear();
}

int main() {
    multiprocessing::Pool pool(1);
    pool.apply(sort, {std::vector<int>{2, 1}});
}
