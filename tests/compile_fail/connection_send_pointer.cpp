// expect: an argument of this type cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// An address means nothing to another process.
#include <multiprocessing/connection.hpp>

int main() {
    auto [left, right] = multiprocessing::Pipe();
    int value = 1;
    left.send(&value);
}
