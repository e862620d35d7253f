// expect: this function object cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A lambda with captures cannot be sent to a worker that already runs.
#include <multiprocessing/pool.hpp>
#include <vector>

int main() {
    multiprocessing::Pool pool(1);
    int factor = 2;
    const std::vector<int> numbers{1, 2};
    return pool.map([factor](int x) { return factor * x; }, numbers)[0];
}
