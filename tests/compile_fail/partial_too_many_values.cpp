// expect: more values than the function has parameters
// SPDX-License-Identifier: BSL-1.0
// One value too many is bound.
#include <multiprocessing/serialization.hpp>

int square(int x) {
    return x * x;
}

int main() {
    auto bound = multiprocessing::partial(square, 1, 2);
    (void)bound;
}
