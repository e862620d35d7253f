// SPDX-License-Identifier: BSL-1.0
// A mutex in shared memory whose next owner learns that the last one died holding it.
//
// One word, which glibc and the kernel share: the id of the thread that holds the mutex, whether
// somebody sleeps on it, whether a holder died. Lockers and the holder write it; when a thread dies
// the kernel finds the mutexes that it held in a list and marks them. So, if a process dies
//   - holding it: the next owner is told; also when that one dies before it could do anything;
//   - while it takes it or gives it back: the list has an entry for that too;
//   - asleep, or woken and not yet awake: another sleeper may be left asleep at a free mutex
//     (seen with three lockers), so every sleep is cut into slices.
// The kernel follows the list for 2,048 entries: of more mutexes held at once the rest stays
// locked.
#pragma once

#include <pthread.h>
#include <time.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/thread_id.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// How an attempt to lock ended.
enum class grant {
    refused,       ///< another thread holds it
    acquired,      ///< the caller holds it
    owner_died,    ///< the caller holds it, and the last holder died with it
    already_held,  ///< the caller held it before
};

class robust_mutex {
  public:
    robust_mutex() {
        pthread_mutexattr_t attributes;
        ::pthread_mutexattr_init(&attributes);
        ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
        const int error = ::pthread_mutex_init(&mutex_, &attributes);
        ::pthread_mutexattr_destroy(&attributes);
        if (error != 0)
            throw_system_error("pthread_mutex_init(robust)", error);
    }
    robust_mutex(const robust_mutex&) = delete;
    robust_mutex& operator=(const robust_mutex&) = delete;

    grant try_lock() { return judge(::pthread_mutex_trylock(&mutex_)); }

    /// Waits until `deadline`, in slices.
    grant lock(const multiprocessing::detail::Deadline& deadline = {}) {
        grant got = try_lock();
        while (got == grant::refused && !deadline.expired())
            got = lock_slice(deadline);
        return got;
    }
    /// The same. @throws KeyboardInterrupt
    grant lock_unless_interrupted(const multiprocessing::detail::Deadline& deadline = {}) {
        grant got = try_lock();
        while (got == grant::refused && !deadline.expired()) {
            multiprocessing::detail::check_interrupt();
            got = lock_slice(deadline);
        }
        return got;
    }

    /// @returns false when the caller does not hold it
    bool unlock() noexcept { return ::pthread_mutex_unlock(&mutex_) == 0; }

    /// The thread that holds it, 0 for none.
    /// @note The kernel demands that the word it is told to look at holds the thread's id (man 2
    /// set_robust_list); in glibc that is the first word of the mutex.
    [[nodiscard]] pid_t holder() const noexcept {
        constexpr std::uint32_t id_bits = 0x3fff'ffff;  // FUTEX_TID_MASK
        const auto* const word = reinterpret_cast<const std::uint32_t*>(&mutex_);
        return static_cast<pid_t>(__atomic_load_n(word, __ATOMIC_RELAXED) & id_bits);
    }
    [[nodiscard]] bool held_by_caller() const noexcept { return holder() == thread_id(); }
    [[nodiscard]] bool held_by_this_process() const noexcept {
        const pid_t thread = holder();
        return thread != 0 && is_thread_of_this_process(thread);
    }

  private:
    grant lock_slice(const multiprocessing::detail::Deadline& deadline) {
        timespec end = {};
        ::clock_gettime(slice_clock, &end);
        const auto nanoseconds = end.tv_nsec + deadline.remaining().count();
        end.tv_sec += static_cast<time_t>(nanoseconds / 1'000'000'000);
        end.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
        return judge(lock_until(end));
    }
    // ThreadSanitizer of clang 16 does not see pthread_mutex_clocklock lock anything.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MULTIPROCESSING_NO_CLOCKLOCK
#endif
#endif
#ifdef MULTIPROCESSING_NO_CLOCKLOCK
#undef MULTIPROCESSING_NO_CLOCKLOCK
    static constexpr clockid_t slice_clock = CLOCK_REALTIME;
    int lock_until(const timespec& end) {
        return ::pthread_mutex_timedlock(&mutex_, &end);
    }
#else
    static constexpr clockid_t slice_clock = CLOCK_MONOTONIC;
    int lock_until(const timespec& end) {
        return ::pthread_mutex_clocklock(&mutex_, slice_clock, &end);
    }
#endif
    grant judge(int error) {
        switch (error) {
            case 0:
                return grant::acquired;
            case EBUSY:
            case ETIMEDOUT:
                return grant::refused;
            case EDEADLK:
                return grant::already_held;
            case EOWNERDEAD:
                ::pthread_mutex_consistent(&mutex_);
                return grant::owner_died;
            default:
                throw_system_error("a lock in shared memory", error);
        }
    }

    pthread_mutex_t mutex_;
};

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
