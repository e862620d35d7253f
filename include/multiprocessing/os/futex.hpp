// SPDX-License-Identifier: BSL-1.0
// Futexes: sleeping on a word of shared memory until another process says that it changed.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/interrupt.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

using futex_word = std::atomic<std::uint32_t>;
static_assert(sizeof(futex_word) == 4 && futex_word::is_always_lock_free);

/// Sleeps while `word` is `expected`, at most `limit`; signals and stray wake-ups end it early.
/// @note A relative limit of FUTEX_WAIT is measured by CLOCK_MONOTONIC (man 2 futex).
inline void futex_wait(const futex_word& word, std::uint32_t expected,
                       std::chrono::nanoseconds limit) noexcept {
    const timespec time{static_cast<time_t>(limit.count() / 1'000'000'000),
                        static_cast<long>(limit.count() % 1'000'000'000)};
    ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &time, nullptr, 0);
}

/// Wakes at most `count` of those who sleep on `word`, in any process that maps it.
/// @returns how many were woken
inline long futex_wake(const futex_word& word, std::uint32_t count) noexcept {
    return ::syscall(SYS_futex, &word, FUTEX_WAKE,
                     count < INT_MAX ? static_cast<int>(count) : INT_MAX, nullptr, nullptr, 0);
}
inline void futex_wake_all(const futex_word& word) noexcept {
    futex_wake(word, INT_MAX);
}

/// One slice of a wait that `deadline` ends. @throws KeyboardInterrupt
inline void futex_wait_slice(const futex_word& word, std::uint32_t expected,
                             const multiprocessing::detail::Deadline& deadline) {
    multiprocessing::detail::check_interrupt();
    futex_wait(word, expected, deadline.remaining());
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
