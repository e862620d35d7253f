// expect: cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// An aggregate with a pointer inside.
#include <multiprocessing/serialization.hpp>

struct Node {
    int value;
    Node* next;
};

int main() {
    return static_cast<int>(multiprocessing::dumps(Node{1, nullptr}).size());
}
