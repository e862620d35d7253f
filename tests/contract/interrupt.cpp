// SPDX-License-Identifier: BSL-1.0
// The public promise of Ctrl-C, as users write it: it must compile without a warning.
#include <multiprocessing.hpp>
#include <vector>

namespace mp = multiprocessing;

int work(int);

int main() {
    mp::Pool pool;
    std::vector<int> items;
    mp::InterruptGuard guard;
    try {
        pool.map(work, items);
    } catch (const mp::KeyboardInterrupt&) {
        pool.terminate();
        pool.join();
    }
    return 0;
}
