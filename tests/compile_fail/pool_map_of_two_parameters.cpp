// expect: map and imap call a function of one parameter
// SPDX-License-Identifier: BSL-1.0
// map calls functions of one parameter.
#include <multiprocessing/pool.hpp>
#include <vector>

int power(int base, int exponent) {
    return base * exponent;
}

int main() {
    multiprocessing::Pool pool(1);
    const std::vector<int> numbers{1, 2};
    return pool.map(power, numbers)[0];
}
