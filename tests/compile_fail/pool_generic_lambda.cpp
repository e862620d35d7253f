// expect: the parameter types of this function cannot be read
// SPDX-License-Identifier: BSL-1.0
// The parameters of a generic lambda have no types before it is called.
#include <multiprocessing/pool.hpp>
#include <vector>

int main() {
    multiprocessing::Pool pool(1);
    const std::vector<int> numbers{1, 2};
    pool.map([](auto x) { return x; }, numbers);
}
