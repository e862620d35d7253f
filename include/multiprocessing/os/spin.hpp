// SPDX-License-Identifier: BSL-1.0
// Short busy waits.
#pragma once

#include <sched.h>
#include <time.h>

#include <chrono>
#include <cstdint>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// Tells the CPU that this is a busy wait.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// Lets another thread have this CPU, if one wants it.
inline void yield() noexcept {
    ::sched_yield();
}

/// Gives up the CPU, at first for a moment, later for a millisecond: for waits on a peer that holds
/// something it is about to give back, unless it was stopped.
class backoff {
  public:
    void wait() noexcept {
        if (++rounds_ < 64) {
            relax();
        } else if (rounds_ < 256) {
            ::sched_yield();
        } else {
            const timespec pause{0, 1'000'000};
            ::nanosleep(&pause, nullptr);
        }
    }

  private:
    unsigned rounds_ = 0;
};

inline std::uint64_t steady_nanoseconds() noexcept {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

/// Calls `done` until it returns true, at most for `limit`.
template <class Done>
bool spin_until(Done done, std::chrono::nanoseconds limit) noexcept(noexcept(done())) {
    if (done())
        return true;
    if (limit <= std::chrono::nanoseconds::zero())
        return false;
    const auto end = std::chrono::steady_clock::now() + limit;
    do {
        for (int i = 0; i < 16; ++i) {  // reading the clock costs as much as a few rounds
            relax();
            if (done())
                return true;
        }
    } while (std::chrono::steady_clock::now() < end);
    return false;
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
