// expect: an argument of this type cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// What cannot be copied cannot be put.
#include <multiprocessing/queues.hpp>
#include <mutex>

int main() {
    const multiprocessing::JoinableQueue<std::mutex> queue;
    return queue.empty() ? 0 : 1;
}
