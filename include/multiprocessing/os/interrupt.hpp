// SPDX-License-Identifier: BSL-1.0
// The flag that SIGINT sets while an InterruptGuard lives, and the check that every wait makes.
#pragma once

#include <atomic>

#include <multiprocessing/core/errors.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Set by the signal handler of InterruptGuard alone.
inline std::atomic<bool> interrupt_pending{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

[[noreturn]] inline void throw_interrupt() {
    throw KeyboardInterrupt("KeyboardInterrupt");
}

/// Every wait calls this once a slice. @throws KeyboardInterrupt when SIGINT came under a guard;
/// the interrupt is then consumed, so that one call of one thread sees it.
inline void check_interrupt() {
    if (interrupt_pending.load(std::memory_order_relaxed)) [[unlikely]]
        if (interrupt_pending.exchange(false))
            throw_interrupt();
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
