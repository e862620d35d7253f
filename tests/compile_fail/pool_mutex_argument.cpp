// expect: an argument of this type cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A mutex cannot be copied, let alone sent.
#include <memory>
#include <multiprocessing/pool.hpp>
#include <mutex>

int locked(std::shared_ptr<std::mutex> mutex) {
    return mutex ? 1 : 0;
}

int main() {
    multiprocessing::Pool pool(1);
    return pool.apply(locked, {std::make_shared<std::mutex>()});
}
