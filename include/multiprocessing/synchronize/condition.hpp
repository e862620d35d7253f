// SPDX-License-Identifier: BSL-1.0
// Condition: waiting, under a lock, for what other threads and processes change under it.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/core/count.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/synchronize/condition_core.hpp>
#include <multiprocessing/synchronize/lock.hpp>

namespace multiprocessing {
inline namespace v0 {

/// A condition variable with its lock.
///
/// A handle: copies name the same condition; it can be sent to any process. A notification that
/// reached a killed process goes on to another one that waited then.
/// @par Python `multiprocessing.Condition`; notify does not wait for those it woke
class Condition {
  public:
    using multiprocessing_handle = void;

    /// A condition with an RLock of its own. @throws std::system_error when there is no memory
    Condition() : block_(allocate()), lock_(block_) {}
    /// A condition under a Lock or an RLock. @throws std::system_error when there is no memory
    explicit Condition(AnyLock lock) : block_(allocate()), lock_(std::move(lock)) {}

    // Those of the lock.

    bool acquire() const { return lock_.acquire(); }
    bool acquire(std::same_as<bool> auto block) const { return lock_.acquire(block); }
    bool acquire(Timeout timeout) const { return lock_.acquire(timeout); }
    bool acquire(std::same_as<bool> auto block, Timeout timeout) const {
        return lock_.acquire(block, timeout);
    }
    void release() const { lock_.release(); }
    void lock() const { lock_.lock(); }
    bool try_lock() const { return lock_.try_lock(); }
    void unlock() const { lock_.unlock(); }

    /// Gives the lock back, at every level, waits for a notification and takes the lock again.
    /// @returns true
    /// @throws ValueError when the caller does not hold the lock
    /// @throws OwnerDiedError when a holder of the lock died; the caller holds the lock
    /// @note Throws KeyboardInterrupt under an InterruptGuard, holding the lock.
    bool wait() const { return wait_until(detail::Deadline(), "Condition.wait"); }
    /// The same. @returns false when the timeout passes before a notification
    bool wait(Timeout timeout) const {
        return wait_until(detail::Deadline(timeout), "Condition.wait");
    }
    /// Waits until what the predicate says, called holding the lock, is true. Throws as wait().
    /// @returns what it said
    template <detail::awaitable_predicate Predicate>
    auto wait_for(Predicate predicate) const {
        return wait_until_true(predicate);
    }
    /// The same. @returns what the predicate said last, when the timeout passes before
    template <detail::awaitable_predicate Predicate>
    auto wait_for(Predicate predicate, Timeout timeout) const {
        return wait_until_true(predicate, timeout);
    }

    /// Wakes the `n` that have waited longest; they go on when the caller gives the lock back.
    /// @throws ValueError when the caller does not hold the lock, or `n` is negative
    void notify(Count n = 1) const {
        require_held("Condition.notify");
        core().notify(n.at_least(0, "Condition.notify: n"));
    }
    /// Wakes all. @throws ValueError when the caller does not hold the lock
    void notify_all() const {
        require_held("Condition.notify_all");
        core().notify(std::numeric_limits<std::uint64_t>::max());
    }

    /// Two handles are equal when they name the same condition.
    friend bool operator==(const Condition& a, const Condition& b) noexcept {
        return a.block_ == b.block_;
    }

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        block_.template serialize_as<memory>(archive, version);
        lock_.serialize(archive, version);
    }

  private:
    struct memory {
        detail::lock_core own_lock{true};
        detail::condition_core condition;
    };

    static detail::shared_block allocate() {
        auto block = detail::shared_block::allocate(sizeof(memory));
        new (block.data()) memory();
        return block;
    }
    [[nodiscard]] detail::condition_core& core() const { return block_.as<memory>()->condition; }
    void require_held(const char* call) const {
        if (!lock_.core().held_by_caller())
            throw ValueError(std::string(call) + ": the caller does not hold the lock");
    }
    bool wait_until(const detail::Deadline& deadline, const char* call) const {
        require_held(call);
        return core().wait(lock_.core(), deadline);
    }
    template <class Predicate, class... Limit>
    auto wait_until_true(Predicate& predicate, Limit... timeout) const {
        std::optional<detail::Deadline> deadline;
        for (;;) {
            auto said = predicate();
            if (said)
                return said;
            if (!deadline)
                deadline.emplace(timeout...);  // the time of the first question does not count
            if (!wait_until(*deadline, "Condition.wait_for"))
                return predicate();
        }
    }

    detail::shared_block block_;
    AnyLock lock_;
};

}  // namespace v0
}  // namespace multiprocessing
