// SPDX-License-Identifier: BSL-1.0
// InterruptGuard: Ctrl-C becomes an exception of the library's blocking calls.
#pragma once

#include <csignal>
#include <mutex>

#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/process/child.hpp>

namespace multiprocessing {
inline namespace v0 {

/// While one lives, SIGINT makes blocking calls of the library throw KeyboardInterrupt, within a
/// tenth of a second. One interrupt is thrown once, by one call of one thread.
/// @note Guards nest; the last one to go restores what SIGINT did before the first, and raises
///     SIGINT again when no call has thrown it. A forked child has no guard.
/// @par Python There SIGINT always raises KeyboardInterrupt in the main thread.
class InterruptGuard {
  public:
    InterruptGuard() {
        const std::scoped_lock lock(mutex());
        auto& state = detail::interrupt_state::instance();
        if (state.guards.fetch_add(1) > 0)
            return;
        detail::interrupt_pending = false;
        state.before = os::get_disposition(SIGINT);
        os::set_handler(
            SIGINT, [](int) { detail::interrupt_pending = true; }, SA_RESTART);
    }
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;
    ~InterruptGuard() {
        if (owner_ != os::process_id())
            return;
        const std::scoped_lock lock(mutex());
        auto& state = detail::interrupt_state::instance();
        if (state.guards.fetch_sub(1) > 1)
            return;
        os::set_disposition(SIGINT, state.before);
        if (detail::interrupt_pending.exchange(false))
            os::raise_signal(SIGINT);
    }

  private:
    static std::mutex& mutex() {
        static std::mutex object;
        return object;
    }

    pid_t owner_ = os::process_id();
};

}  // namespace v0
}  // namespace multiprocessing
