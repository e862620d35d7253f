// SPDX-License-Identifier: BSL-1.0
// fork copies the program with all its memory, so a child sees what variables hold; the other start
// methods execute the program anew. And a mutex that some thread held at the fork is locked in the
// child for ever, for the child has no such thread: start processes before threads, or spawn them.
#include <future>
#include <iostream>
#include <multiprocessing.hpp>
#include <mutex>
#include <string>
#include <thread>

namespace mp = multiprocessing;

int answer = 0;
std::mutex mutex;

void look(const std::string& method) {
    const bool free = mutex.try_lock();
    if (free)
        mutex.unlock();
    std::cout << method << ": the answer is " << answer << ", the mutex is "
              << (free ? "free" : "locked by nobody") << '\n';
}

int main() {
    mp::freeze_support();  // a spawned child takes over here: it does not run what follows

    answer = 42;
    std::promise<void> locked, done;
    std::thread other([&locked, &done] {
        const std::scoped_lock guard(mutex);
        locked.set_value();
        done.get_future().wait();
    });
    locked.get_future().wait();

    for (const auto method :
         {mp::StartMethod::fork, mp::StartMethod::spawn, mp::StartMethod::forkserver}) {
        const auto context = mp::get_context(method);  // or the option {.start_method = method}
        auto process = context.Process(look, {mp::to_string(method)});
        process.start();
        process.join();
    }
    done.set_value();
    other.join();
}
