// SPDX-License-Identifier: BSL-1.0
// The interface of section 9: Ctrl-C.
#include <vector>

#include <multiprocessing.hpp>

namespace mp = multiprocessing;

int work(int);

int main() {
    mp::Pool pool;
    const std::vector<int> items{1, 2, 3};
    const mp::InterruptGuard guard;
    try {
        pool.map(work, items);
    } catch (const mp::KeyboardInterrupt&) {
        pool.terminate();
        pool.join();
    }
}
