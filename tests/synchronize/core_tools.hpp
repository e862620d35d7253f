// SPDX-License-Identifier: BSL-1.0
// What the tests of the byte cores share: memory of several processes, and children made by fork.
#pragma once

#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"

namespace core_test {

using namespace std::chrono_literals;
using test_support::eventually;
using test_support::time_of;
/// With it the robust mutex measures its slices by the time of day.
using test_support::thread_sanitizer;

/// An object that forked children share.
template <class T>
class Shared {
  public:
    template <class... A>
    explicit Shared(A&&... arguments)
        : memory_(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                         0)),
          object_(new (memory_) T(std::forward<A>(arguments)...)) {}
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    ~Shared() { ::munmap(memory_, sizeof(T)); }

    T* operator->() const noexcept { return object_; }
    T& operator*() const noexcept { return *object_; }

  private:
    void* memory_;
    T* object_;
};

/// Sleeps on a word as the cores do, but not in slices: only a wake-up ends it.
inline void sleep_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected) {
    while (word == expected)
        ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, nullptr, nullptr, 0);
}

/// A child that runs `body` and ends with the status that it returns.
class Child {
  public:
    template <class Body>
    explicit Child(Body body) : pid_(test_support::fork_child(std::move(body))) {}
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
    Child& operator=(Child&&) = delete;
    ~Child() {
        if (pid_ != 0)
            kill();
    }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    void kill() {
        ::kill(pid_, SIGKILL);
        (void)join();
    }
    /// The status, or minus the signal that ended it: SIGKILL when it has not ended in half a
    /// minute.
    int join() {
        pollfd ended{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), POLLIN, 0};
        if (::poll(&ended, 1, 30'000) == 0)
            ::kill(pid_, SIGKILL);
        ::close(ended.fd);
        return test_support::end_of(std::exchange(pid_, 0));
    }
    /// Whether it sleeps in the kernel, as one that waits does.
    [[nodiscard]] bool sleeps() const { return test_support::state_of(pid_) == 'S'; }
    /// Waits until it sleeps on a futex. @returns the operation with its flags; nothing if it does
    /// not in time
    [[nodiscard]] std::optional<int> futex_operation() const {
        std::optional<int> operation;
        (void)eventually([&] {
            std::ifstream file("/proc/" + std::to_string(pid_) + "/syscall");
            std::string number, address, flags;
            file >> number >> address >> flags;
            if (number == std::to_string(SYS_futex))
                operation = std::stoi(flags, nullptr, 16);
            return operation.has_value();
        });
        return operation;
    }

  private:
    pid_t pid_ = 0;
};

}  // namespace core_test
