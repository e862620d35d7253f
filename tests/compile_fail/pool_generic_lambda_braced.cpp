// expect: the parameter types of this function cannot be read
// SPDX-License-Identifier: BSL-1.0
// The same with a braced list of items.
#include <multiprocessing/pool.hpp>

int main() {
    multiprocessing::Pool pool(1);
    pool.map([](auto x) { return x; }, {1, 2});
}
