// SPDX-License-Identifier: BSL-1.0
// A lock between the threads of one process that a fork never leaves held in the child.
#pragma once

#include <chrono>
#include <cstdint>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/futex.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// Says who holds it by how often that process was forked: to a forked child a lock that a thread
/// of its parent held is free, for that thread does not exist there.
class fork_safe_lock {
  public:
    fork_safe_lock() = default;
    fork_safe_lock(const fork_safe_lock&) = delete;
    fork_safe_lock& operator=(const fork_safe_lock&) = delete;

    [[nodiscard]] bool try_lock() noexcept {
        std::uint32_t seen = word_.load(std::memory_order_relaxed);
        return !held_here(seen) &&
               word_.compare_exchange_strong(seen, here(), std::memory_order_acquire);
    }

    /// Waits once, at most `limit`; it may come back early.
    /// @returns whether the lock is held now
    [[nodiscard]] bool try_lock_for(std::chrono::nanoseconds limit) noexcept {
        if (try_lock())
            return true;
        // From here on the lock is marked as awaited, also by the one who takes it, for others may
        // wait beside him.
        std::uint32_t seen = word_.load(std::memory_order_relaxed);
        while (!held_here(seen))
            if (word_.compare_exchange_weak(seen, here() | awaited, std::memory_order_acquire))
                return true;
        if (word_.compare_exchange_strong(seen, here() | awaited, std::memory_order_relaxed) ||
            seen == (here() | awaited)) {
            futex_wait(word_, here() | awaited, limit);
        }
        seen = word_.load(std::memory_order_relaxed);
        return !held_here(seen) &&
               word_.compare_exchange_strong(seen, here() | awaited, std::memory_order_acquire);
    }

    /// Not ended by an interrupt: for locks that are held briefly.
    void lock() noexcept {
        while (!try_lock_for(multiprocessing::detail::wait_slice)) {
        }
    }

    void unlock() noexcept {
        if ((word_.exchange(0, std::memory_order_release) & awaited) != 0)
            futex_wake(word_, 1);
    }

  private:
    static constexpr std::uint32_t awaited = 1;

    static std::uint32_t here() noexcept { return (fork_count() + 1) * 2; }
    static bool held_here(std::uint32_t word) noexcept { return (word & ~awaited) == here(); }

    futex_word word_{0};
};

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
