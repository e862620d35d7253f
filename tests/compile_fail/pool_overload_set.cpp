// expect: map
// SPDX-License-Identifier: BSL-1.0
// The name of two functions does not say which one is meant.
#include <multiprocessing/pool.hpp>
namespace mp = multiprocessing;

int twice(int x) {
    return 2 * x;
}
double twice(double x) {
    return 2 * x;
}

int main() {
    mp::Pool pool(2);
    pool.map(twice, {1, 2, 3});
}
