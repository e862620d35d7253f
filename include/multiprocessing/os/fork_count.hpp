// SPDX-License-Identifier: BSL-1.0
// Tells whether this process is a forked copy of the one that an object was made in, or has forked
// since.
#pragma once

#include <pthread.h>

#include <atomic>

namespace multiprocessing {
inline namespace v0 {
namespace os {

namespace detail {
struct fork_counters {
    std::atomic<unsigned> as_child{0};
    std::atomic<unsigned> either{0};

    static fork_counters& instance() noexcept {
        static fork_counters counters;
        static const int registered =
            ::pthread_atfork([] { ++instance().either; }, nullptr, [] { ++instance().as_child; });
        (void)registered;
        return counters;
    }
};
}  // namespace detail

/// How often fork() returned in a child on the way from the first process to this one. Cheaper to
/// ask than getpid(), which is a system call.
inline unsigned fork_count() noexcept {
    return detail::fork_counters::instance().as_child.load(std::memory_order_relaxed);
}

/// Remembers the process that it was made in. Asking it costs a load and a comparison.
class fork_mark {
  public:
    /// Whether this process is a forked copy of that one.
    [[nodiscard]] bool forked() const noexcept {
        return count_->load(std::memory_order_relaxed) != made_in_;
    }

  private:
    const std::atomic<unsigned>* count_ = &detail::fork_counters::instance().as_child;
    unsigned made_in_ = fork_count();
};

/// How often this process or one that it is a copy of has forked: the same number as before means
/// that no other process has a copy of what was made in between.
inline unsigned forks_since_start() noexcept {
    return detail::fork_counters::instance().either.load(std::memory_order_relaxed);
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
