// SPDX-License-Identifier: BSL-1.0
// Prints what the README's program does, and is compiled sooner: its headers and libraries are
// found in the same way.
#include <iostream>
#include <multiprocessing/serialization.hpp>
#include <vector>
namespace mp = multiprocessing;

int main() {
    const auto bytes = mp::dumps(std::vector<int>{1, 4, 9, 16, 25});
    for (const int result : mp::loads<std::vector<int>>(bytes))
        std::cout << result << '\n';
}
