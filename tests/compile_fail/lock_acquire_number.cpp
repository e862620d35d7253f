// expect: acquire
// SPDX-License-Identifier: BSL-1.0
// 5 what? A bool says whether to wait, a duration how long.
#include <multiprocessing/synchronize/lock.hpp>

int main() {
    multiprocessing::Lock lock;
    return lock.acquire(5) ? 0 : 1;
}
