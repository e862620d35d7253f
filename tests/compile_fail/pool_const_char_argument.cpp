// expect: an argument of this type cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A const char* parameter would point into the memory of another process.
#include <multiprocessing/pool.hpp>
#include <vector>

int length(const char* text) {
    return text[0];
}

int main() {
    multiprocessing::Pool pool(1);
    const std::vector<const char*> texts{"a"};
    return pool.map(length, texts)[0];
}
