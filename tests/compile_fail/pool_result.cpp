// expect: the result of this function cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// The result is a pointer into the worker.
#include <multiprocessing/pool.hpp>

int* make(int x) {
    return new int(x);
}

int main() {
    multiprocessing::Pool pool(1);
    return *pool.apply(make, {2});
}
