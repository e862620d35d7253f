// expect: an argument of this type cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A std::function may hold anything.
#include <functional>
#include <multiprocessing/connection.hpp>

int main() {
    auto [left, right] = multiprocessing::Pipe();
    return right.recv<std::function<int()>>()();
}
