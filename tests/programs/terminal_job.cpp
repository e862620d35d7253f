// SPDX-License-Identifier: BSL-1.0
// What runs in the shell of test_terminal.py: a parent with two children of a fork server, or with
// two Processes. Every child counts in a file, so that the driver sees which of them run.
// usage: terminal_job server|process METHOD FILE [guard]
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <csignal>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <thread>

#include <multiprocessing/process.hpp>
#include <multiprocessing/process/fork_server.hpp>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

namespace {

/// As test_terminal.py reads it.
struct Board {
    std::atomic<std::int64_t> beats[2];
    std::atomic<std::int32_t> pids[4];  // parent, server, children
    std::atomic<std::int32_t> interrupts;
};

Board& board(const std::string& file) {
    const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
    void* const place = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    return *static_cast<Board*>(place);
}

void count(std::string file, int child) {
    Board& shared = board(file);
    shared.pids[2 + child] = ::getpid();
    for (;;) {
        ++shared.beats[child];
        std::this_thread::sleep_for(1ms);
    }
}

int count_role(mp::detail::child_setup& setup) {
    count({reinterpret_cast<const char*>(setup.payload.data()), setup.payload.size()},
          static_cast<int>(setup.id));
    return 0;
}

/// Sleeps, and counts the interrupts that a guard turns into exceptions.
[[noreturn]] void wait_for_ever(Board& shared, bool guarded) {
    if (!guarded) {
        for (;;)
            ::pause();
    }
    const mp::InterruptGuard guard;
    for (;;) {
        try {
            mp::detail::check_interrupt();
            std::this_thread::sleep_for(5ms);
        } catch (const mp::KeyboardInterrupt&) {
            ++shared.interrupts;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    mp::freeze_support();
    if (argc < 4)
        return 2;
    const std::string file = argv[3];
    const bool guarded = argc > 4;
    auto method = mp::StartMethod::fork;
    for (const mp::StartMethod one : mp::get_all_start_methods())
        if (to_string(one) == argv[2])
            method = one;
    Board& shared = board(file);
    shared.pids[0] = ::getpid();
    if (std::strcmp(argv[1], "server") == 0) {
        mp::detail::fork_server server(method);
        shared.pids[1] = server.pid();
        for (std::uint64_t id = 0; id < 2; ++id)
            server.start(id, "counter", count_role, std::as_bytes(std::span(file)), {});
        wait_for_ever(shared, guarded);
    }
    mp::Process first(count, {file, 0}, {.daemon = true, .start_method = method});
    mp::Process second(count, {file, 1}, {.daemon = true, .start_method = method});
    first.start();
    second.start();
    if (method == mp::StartMethod::forkserver)
        shared.pids[1] = mp::detail::process_server::instance().pid();
    wait_for_ever(shared, guarded);
}
