// SPDX-License-Identifier: BSL-1.0
// Ends a long computation in good order when Ctrl-C is typed.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <iostream>
#include <multiprocessing.hpp>
#include <ranges>
#include <thread>

namespace mp = multiprocessing;

int work(int n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return n;
}

int main() {
    mp::Pool pool(4);
    mp::InterruptGuard guard;  // from here on Ctrl-C is an exception, where the program waits
    std::size_t done = 0;
    std::cout << "working, press Ctrl-C to stop\n";
    try {
        for (int result : pool.imap(work, std::views::iota(0, 600))) {
            done = static_cast<std::size_t>(result) + 1;
            std::cout << '\r' << done << " of 600" << std::flush;
        }
        std::cout << "\nall done\n";
    } catch (const mp::KeyboardInterrupt&) {
        pool.terminate();
        pool.join();
        std::cout << "\nstopped after " << done << " tasks, no process is left\n";
        return 128 + SIGINT;
    }
}
