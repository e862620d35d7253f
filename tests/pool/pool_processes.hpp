// SPDX-License-Identifier: BSL-1.0
// Looks at processes through /proc, and runs a body in a process of its own.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <cstdio>
#include <iostream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "pool/pool_tools.hpp"
#include "support/child.hpp"

namespace pool_test {

using test_support::count_threads;
using test_support::gone;
using test_support::resident_kib;
using test_support::state_of;

/// Signals a process; a pid that came from a failed call never reaches kill, which would take 0 and
/// -1 for this group and for everybody.
inline void signal_to(std::int64_t pid, int number) {
    if (pid <= 1 || pid == ::getpid()) {
        throw std::logic_error("a test would signal process " + std::to_string(pid));
    }
    ::kill(static_cast<pid_t>(pid), number);
}

template <class Pids>
bool all_gone(const Pids& pids) {
    return std::all_of(pids.begin(), pids.end(), [](int pid) { return gone(pid); });
}

/// The living children of a process.
inline std::vector<int> children_of(int pid) {
    std::vector<int> list;
    for (const pid_t child : test_support::children(pid)) {
        if (!gone(child)) {
            list.push_back(child);
        }
    }
    return list;
}

inline std::vector<int> descendants_of(int pid) {
    std::vector<int> list = children_of(pid);
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto more = children_of(list[i]);
        list.insert(list.end(), more.begin(), more.end());
    }
    return list;
}

inline std::size_t open_descriptors() {
    return test_support::descriptors().size();
}

/// A forked child that leads a group of its own.
class ChildProgram {
  public:
    template <class Body>
    explicit ChildProgram(Body body)
        : pid_(test_support::fork_child([&] {
              ::setpgid(0, 0);
              ::alarm(static_cast<unsigned>(4 * patience.count()));
              return body();
          })) {
        ::setpgid(pid_, pid_);
    }
    ChildProgram(const ChildProgram&) = delete;
    ChildProgram& operator=(const ChildProgram&) = delete;
    ~ChildProgram() {
        if (!waited_) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    int pid() const { return pid_; }
    /// Signals every process of its group.
    void signal_group(int number) const { ::kill(-pid_, number); }

    /// The exit code, minus the signal, or nothing if it still runs after the limit.
    std::optional<int> wait(std::chrono::milliseconds limit = patience) {
        int status = 0;
        if (!eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, limit)) {
            return std::nullopt;
        }
        waited_ = true;
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    }

  private:
    int pid_ = -1;
    bool waited_ = false;
};

/// Sends SIGKILL to random workers of this process at random instants while it lives. Workers are
/// the children of its children: the servers are spared.
class RandomKiller {
  public:
    explicit RandomKiller(std::chrono::microseconds longest_pause)
        : thread_([this, longest_pause](const std::stop_token& stop) {
              std::mt19937 random(static_cast<unsigned>(::getpid()));
              std::uniform_int_distribution<long> pause(0, longest_pause.count());
              while (!stop.stop_requested()) {
                  std::this_thread::sleep_for(start + std::chrono::microseconds(pause(random)));
                  std::vector<int> workers;
                  for (const int server : children_of(::getpid())) {
                      const auto more = children_of(server);
                      workers.insert(workers.end(), more.begin(), more.end());
                  }
                  if (!workers.empty() && !stop.stop_requested()) {
                      signal_to(workers[random() % workers.size()], SIGKILL);
                      kills_.fetch_add(1);
                  }
              }
          }) {}

    long kills() const { return kills_.load(); }
    void stop() {
        thread_.request_stop();
        if (thread_.joinable()) {
            thread_.join();
        }
    }

  private:
    // A pool gives up when one worker after the other dies before it is ready.
    static constexpr std::chrono::milliseconds start{test_support::sanitized ? 20 : 4};

    std::atomic<long> kills_{0};
    std::jthread thread_;
};

}  // namespace pool_test
