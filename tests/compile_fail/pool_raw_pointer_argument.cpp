// expect: an argument of this type cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A raw pointer means nothing in another process.
#include <multiprocessing/pool.hpp>

int look(int* place) {
    return *place;
}

int main() {
    multiprocessing::Pool pool(1);
    int x = 1;
    return pool.apply(look, {&x});
}
