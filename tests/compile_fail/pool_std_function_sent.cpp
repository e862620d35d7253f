// expect: this function object cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A std::function cannot be sent as the function itself.
#include <functional>
#include <multiprocessing/pool.hpp>
#include <vector>

int main() {
    multiprocessing::Pool pool(1);
    const std::function<int(int)> f = [](int x) { return x; };
    const std::vector<int> numbers{1, 2};
    return pool.map(f, numbers)[0];
}
