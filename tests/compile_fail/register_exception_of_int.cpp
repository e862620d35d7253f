// expect: the type is no class
// SPDX-License-Identifier: BSL-1.0
// Only exceptions can be registered.
#include <multiprocessing/serialization.hpp>

int main() {
    return multiprocessing::register_exception<int>() ? 0 : 1;
}
