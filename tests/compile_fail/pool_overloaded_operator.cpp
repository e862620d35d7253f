// expect: the parameter types of this function cannot be read
// SPDX-License-Identifier: BSL-1.0
// An object with several call operators does not say which one is meant.
#include <multiprocessing/pool.hpp>

struct Both {
    int operator()(int x) const { return x; }
    int operator()(double x) const { return static_cast<int>(x); }
};

int main() {
    multiprocessing::Pool pool(1);
    pool.apply(Both{}, {1});
}
