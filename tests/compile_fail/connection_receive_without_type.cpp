// expect: recv() needs the type of what is to be received
// SPDX-License-Identifier: BSL-1.0
// Python's messages carry their type, ours are read as the type that the receiver names.
#include <multiprocessing.hpp>
namespace mp = multiprocessing;

int main() {
    auto [left, right] = mp::Pipe();
    left.send(1);
    return right.recv();
}
