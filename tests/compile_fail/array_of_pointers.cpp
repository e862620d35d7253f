// expect: it may hold no pointer and own no memory
// SPDX-License-Identifier: BSL-1.0
// An address means nothing in another process.
#include <multiprocessing/shared/array.hpp>

int main() {
    multiprocessing::Array<int*> array(10);
}
