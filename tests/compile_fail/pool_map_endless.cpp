// expect: this range has no end, so that map would never return: use imap
// SPDX-License-Identifier: BSL-1.0
// map waits for the last result.
#include <multiprocessing/pool.hpp>
#include <ranges>
namespace mp = multiprocessing;

int square(int x) {
    return x * x;
}

int main() {
    mp::Pool pool(2);
    pool.map(square, std::views::iota(0));
}
