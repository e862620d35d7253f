// expect: this function object cannot be pickled to be sent to the manager's server
// SPDX-License-Identifier: BSL-1.0
// A lambda with captures cannot be sent to the server.
#include <multiprocessing/managers.hpp>

int main() {
    const multiprocessing::DictProxy<int, int> dict;
    int by = 2;
    dict.update(1, [by](int& n) { n += by; });
}
