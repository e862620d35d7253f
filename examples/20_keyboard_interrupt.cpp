// SPDX-License-Identifier: BSL-1.0
// Ctrl-C with many workers: they ignore it, and under an InterruptGuard the call that waits here
// throws KeyboardInterrupt. Here the program sends the signal to itself.
#include <sys/types.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <multiprocessing.hpp>
#include <ranges>
#include <set>
#include <thread>

namespace mp = multiprocessing;

pid_t work(int /*item*/) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return ::getpid();
}

int main() {
    mp::Pool pool(8);
    mp::InterruptGuard guard;
    std::set<pid_t> workers;
    int results = 0;
    try {
        for (const pid_t worker : pool.imap_unordered(work, std::views::iota(0, 10'000))) {
            workers.insert(worker);
            if (++results == 20)
                std::raise(SIGINT);  // what Ctrl-C does
        }
        std::cout << "never interrupted\n";
    } catch (const mp::KeyboardInterrupt&) {
        pool.terminate();
        pool.join();
        const bool gone =
            std::ranges::none_of(workers, [](pid_t worker) { return ::kill(worker, 0) == 0; });
        std::cout << "interrupted long before the end: " << (results < 5'000 ? "yes" : "no")
                  << "\nall workers are gone: " << (gone ? "yes" : "no") << '\n';
    }
}
