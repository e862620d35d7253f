// SPDX-License-Identifier: BSL-1.0
// Proxies of locks, semaphores, events, conditions and barriers in a manager's server.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include <multiprocessing/core/count.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/managers/proxy.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// What can be acquired, and used as a Lockable.
template <class Derived>
class acquirer_proxy : public proxy<Derived> {
  public:
    /// Waits until the caller holds it.
    /// @returns true
    /// @throws OwnerDiedError once after a client that held a lock died; the caller does not hold
    ///     it, and it works as before
    bool acquire() const { return acquire_for(std::nullopt); }
    /// The same, when `block` is true; else tries once. @returns whether the caller holds it now
    bool acquire(std::same_as<bool> auto block) const { return block ? acquire() : try_lock(); }
    /// The same; gives up after the timeout. @returns whether the caller holds it now
    bool acquire(Timeout timeout) const { return acquire_for(timeout); }
    bool acquire(std::same_as<bool> auto block, Timeout timeout) const {
        return block ? acquire(timeout) : try_lock();
    }
    /// @throws ValueError when nobody holds it; an RLock, when the calling thread does not
    void release() const { this->ask(verb::unlock).send(); }

    void lock() const { acquire(); }
    bool try_lock() const { return acquire_for(Timeout(std::chrono::seconds(0))); }
    void unlock() const { release(); }

  private:
    [[nodiscard]] bool acquire_for(std::optional<Timeout> timeout) const {
        return this->ask(verb::acquire).time(timeout).send().done();
    }
};

}  // namespace managed
}  // namespace detail

/// A lock in a manager's server, which any process may release.
///
/// A handle, as DictProxy is; see there. When a client that holds it is killed, the next acquire()
/// throws OwnerDiedError; one that ends in order leaves it locked.
/// @par Python the `AcquirerProxy` of a `Lock`
class LockProxy : public detail::managed::acquirer_proxy<LockProxy> {
  public:
    /// Names none, until one is assigned.
    LockProxy() = default;

    /// Whether somebody holds it at this moment.
    [[nodiscard]] bool locked() const { return ask(detail::managed::verb::get).send().flag(); }
};

/// A lock that its holder, a thread of a process, may acquire again, and releases as often.
///
/// As LockProxy else; also a holder that ends in order counts as dead.
/// @par Python the `AcquirerProxy` of an `RLock`
class RLockProxy : public detail::managed::acquirer_proxy<RLockProxy> {
  public:
    /// Names none, until one is assigned.
    RLockProxy() = default;

    /// Whether somebody holds it at this moment.
    [[nodiscard]] bool locked() const { return ask(detail::managed::verb::get).send().flag(); }
};

/// A number of permits in a manager's server. A permit that a dead process had stays taken.
/// @par Python the `AcquirerProxy` of a `Semaphore`, or of a `BoundedSemaphore`
class SemaphoreProxy : public detail::managed::acquirer_proxy<SemaphoreProxy> {
  public:
    /// Names none, until one is assigned.
    SemaphoreProxy() = default;

    /// Gives permits back. @throws ValueError when there would be more than the most
    void release(Count n = 1) const {
        ask(detail::managed::verb::unlock)
            .number(static_cast<std::uint32_t>(
                std::min<std::uint64_t>(n.at_least(1, "SemaphoreProxy.release: n"),
                                        std::numeric_limits<std::uint32_t>::max())))
            .send();
    }
    void unlock() const { release(); }
    /// The free permits at this moment.
    [[nodiscard]] std::uint32_t get_value() const {
        return ask(detail::managed::verb::get).send().number<std::uint32_t>();
    }
};

/// A flag in a manager's server.
/// @par Python `multiprocessing.managers.EventProxy`
class EventProxy : public detail::managed::proxy<EventProxy> {
    using verb = detail::managed::verb;

  public:
    /// Names none, until one is assigned.
    EventProxy() = default;

    [[nodiscard]] bool is_set() const { return ask(verb::get).send().flag(); }
    /// Sets it and wakes all that wait.
    void set() const { ask(verb::set).send(); }
    void clear() const { ask(verb::clear).send(); }
    /// Waits until it is set. @returns true
    bool wait() const { return ask(verb::wait).time(std::nullopt).send().done(); }
    /// The same. @returns false when the timeout passes before
    bool wait(Timeout timeout) const { return ask(verb::wait).time(timeout).send().done(); }
};

/// A condition variable with its lock in a manager's server.
/// @par Python `multiprocessing.managers.ConditionProxy`
class ConditionProxy : public detail::managed::acquirer_proxy<ConditionProxy> {
    using verb = detail::managed::verb;

  public:
    /// Names none, until one is assigned.
    ConditionProxy() = default;

    /// Gives the lock back, at every level, waits for a notification and takes the lock again.
    /// @returns true
    /// @throws ValueError when the calling thread does not hold the lock
    /// @throws OwnerDiedError when a client that held the lock died; the caller holds it
    /// @note Throws KeyboardInterrupt under an InterruptGuard, holding the lock.
    bool wait() const { return wait_for_time(std::nullopt); }
    /// The same. @returns false when the timeout passes before a notification
    bool wait(Timeout timeout) const { return wait_for_time(timeout); }

    /// Waits until what the predicate says, called here and holding the lock, is true. Throws as
    /// wait().
    /// @returns what it said
    template <detail::awaitable_predicate Predicate>
    auto wait_for(Predicate predicate) const {
        for (;;) {
            auto said = predicate();
            if (said)
                return said;
            wait();
        }
    }
    /// The same. @returns what the predicate said last, when the timeout passes before
    template <detail::awaitable_predicate Predicate>
    auto wait_for(Predicate predicate, Timeout timeout) const {
        const detail::Deadline deadline(timeout);
        for (;;) {
            auto said = predicate();
            if (said)
                return said;
            if (!wait(deadline.remaining(timeout.count())))
                return predicate();
        }
    }

    /// Wakes the `n` that have waited longest. @throws ValueError when the calling thread does not
    ///     hold the lock, or `n` is negative
    void notify(Count n = 1) const { notify_up_to(n.at_least(0, "ConditionProxy.notify: n")); }
    /// Wakes all. @throws ValueError when the calling thread does not hold the lock
    void notify_all() const { notify_up_to(std::numeric_limits<std::uint64_t>::max()); }

  private:
    [[nodiscard]] bool wait_for_time(std::optional<Timeout> timeout) const {
        // also after an interrupt it goes on only with the lock
        return ask(verb::wait).time(timeout).send(std::nullopt).done();
    }
    void notify_up_to(std::uint64_t n) const { ask(verb::notify).number(n).send(); }
};

/// A meeting point in a manager's server. A party that dies while it waits no longer counts.
/// @par Python `multiprocessing.managers.BarrierProxy`
class BarrierProxy : public detail::managed::proxy<BarrierProxy> {
    using verb = detail::managed::verb;

  public:
    /// Names none, until one is assigned.
    BarrierProxy() = default;

    /// Waits until all parties do.
    /// @returns 0 for the first that arrived, parties() - 1 for the last
    /// @throws BrokenBarrierError when the barrier is broken, or becomes so, or is reset; when the
    ///     barrier's timeout passes, which breaks it
    /// @throws what the action throws, which breaks the barrier
    std::uint32_t wait() const { return wait_for_time(false, std::nullopt); }
    /// The same with another timeout than the barrier's.
    std::uint32_t wait(Timeout timeout) const { return wait_for_time(true, timeout); }
    /// Breaks the barrier until it is reset.
    void abort() const { ask(verb::abort).send(); }
    /// Makes it as new. Who waits gets BrokenBarrierError.
    void reset() const { ask(verb::clear).send(); }

    [[nodiscard]] std::uint32_t parties() const {
        return ask(verb::size).send().number<std::uint32_t>();
    }
    /// How many wait at this moment.
    [[nodiscard]] std::uint32_t n_waiting() const {
        return ask(verb::waiting).send().number<std::uint32_t>();
    }
    [[nodiscard]] bool broken() const { return ask(verb::get).send().flag(); }

  private:
    [[nodiscard]] std::uint32_t wait_for_time(bool own, std::optional<Timeout> timeout) const {
        return ask(verb::wait)
            .number(static_cast<std::uint8_t>(own ? 1 : 0))
            .time(timeout)
            .send()
            .number<std::uint32_t>();
    }
};

}  // namespace v0
}  // namespace multiprocessing
