// expect: does not convert to the function's parameter
// SPDX-License-Identifier: BSL-1.0
// An argument of another type.
#include <multiprocessing/pool.hpp>
#include <string>

int square(int x) {
    return x * x;
}

int main() {
    multiprocessing::Pool pool(1);
    return pool.apply(square, {std::string("two")});
}
