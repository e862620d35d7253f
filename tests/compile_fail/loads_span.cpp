// expect: cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// Nobody would own what a loaded span shows.
#include <multiprocessing/serialization.hpp>
#include <vector>

int main() {
    const std::vector<std::byte> bytes;
    return multiprocessing::loads<std::span<const int>>(bytes).size() == 0;
}
