// expect: another number of arguments than the function has parameters
// SPDX-License-Identifier: BSL-1.0
// Too few arguments.
#include <multiprocessing/pool.hpp>

int power(int base, int exponent) {
    return base * exponent;
}

int main() {
    multiprocessing::Pool pool(1);
    return pool.apply(power, {2});
}
