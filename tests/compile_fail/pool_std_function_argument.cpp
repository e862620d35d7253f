// expect: an argument of this type cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A std::function hides what it holds.
#include <functional>
#include <multiprocessing/pool.hpp>

int call(std::function<int()> f) {
    return f();
}

int main() {
    multiprocessing::Pool pool(1);
    return pool.apply(call, {[] { return 1; }});
}
