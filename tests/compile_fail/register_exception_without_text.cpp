// expect: this exception cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// An exception that is neither picklable nor made from its text.
#include <multiprocessing/serialization.hpp>

struct Opaque : std::exception {
    explicit Opaque(int* place) : place_(place) {}
    int* place_;
};

int main() {
    return multiprocessing::register_exception<Opaque>() ? 0 : 1;
}
