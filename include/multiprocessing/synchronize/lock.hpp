// SPDX-License-Identifier: BSL-1.0
// Lock and RLock, mutual exclusion between threads and processes, and AnyLock, which is either.
#pragma once

#include <concepts>
#include <cstddef>
#include <new>
#include <string_view>
#include <utility>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/synchronize/lock_core.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What the kinds of lock share: a block of memory that begins with a lock_core.
class lock_handle {
  public:
    using multiprocessing_handle = void;

    /// Waits until the caller holds the lock.
    /// @returns true
    /// @throws OwnerDiedError once after a holder died: what the lock guards may be half written;
    ///     the caller does not hold the lock, which is free and works as before
    /// @throws std::system_error (EDEADLK) when the calling thread holds it and it is no RLock
    /// @note Throws KeyboardInterrupt under an InterruptGuard.
    bool acquire() const { return core().acquire(Deadline()); }
    /// The same, when `block` is true; else tries once.
    /// @returns whether the caller holds it now
    bool acquire(std::same_as<bool> auto block) const { return block ? acquire() : try_lock(); }
    /// The same; gives up after the timeout. @returns whether the caller holds it now
    bool acquire(Timeout timeout) const { return core().acquire(Deadline(timeout)); }
    bool acquire(std::same_as<bool> auto block, Timeout timeout) const {
        return block ? acquire(timeout) : try_lock();
    }
    /// @throws ValueError when the calling thread does not hold it
    void release() const { core().release(); }

    /// Whether anybody holds it at this moment.
    [[nodiscard]] bool locked() const { return core().mutex.holder() != 0; }

    void lock() const { acquire(); }
    bool try_lock() const { return core().try_acquire(); }
    void unlock() const { release(); }

    /// Two handles are equal when they name the same lock.
    friend bool operator==(const lock_handle& a, const lock_handle& b) noexcept {
        return a.block_ == b.block_;
    }

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        block_.template serialize_as<lock_core>(archive, version);
        if constexpr (!Archive::is_saving::value)
            keep_while_held();
    }

  protected:
    struct recursive {
        bool value;
    };

    explicit lock_handle(recursive kind) : block_(shared_block::allocate(sizeof(lock_core))) {
        new (block_.data()) lock_core(kind.value);
        keep_while_held();
    }
    /// @param block memory in which a lock_core comes first, or nothing
    explicit lock_handle(shared_block block) noexcept : block_(std::move(block)) {
        if (block_)
            keep_while_held();
    }
    ~lock_handle() = default;
    lock_handle(const lock_handle&) = default;
    lock_handle& operator=(const lock_handle&) = default;
    lock_handle(lock_handle&&) = default;
    lock_handle& operator=(lock_handle&&) = default;

    [[nodiscard]] lock_core& core() const { return *block_.as<lock_core>(); }

  private:
    // The kernel walks the list of held robust mutexes when a thread ends.
    void keep_while_held() const noexcept {
        block_.keep_while([](const std::byte* memory) noexcept {
            return reinterpret_cast<const lock_core*>(memory)->mutex.held_by_this_process();
        });
    }

    shared_block block_;
};

}  // namespace detail

/// A lock between threads and processes, which its holder alone releases.
///
/// A handle: copies name the same lock; it can be sent to any process. When its holder dies the
/// next acquire() throws OwnerDiedError, once.
/// @par Python `multiprocessing.Lock`, which anyone may release: Semaphore(1) does that here.
class Lock : public detail::lock_handle {
  public:
    /// Makes a lock. @throws std::system_error when there is no memory
    Lock() : lock_handle(recursive{false}) {}
    /// Opens the lock of that name, or makes it: it lives while a process of this user has it.
    /// @throws ValueError for a name that cannot be one; std::system_error
    explicit Lock(std::string_view name)
        : lock_handle(detail::shared_block::open_named(
              "lock", name, sizeof(detail::lock_core),
              [](void* memory) { new (memory) detail::lock_core(false); })) {}
};

/// A lock that its holder may acquire again, and releases as often.
/// @par Python `multiprocessing.RLock`; release by another thread throws ValueError
class RLock : public detail::lock_handle {
  public:
    /// Makes a lock. @throws std::system_error when there is no memory
    RLock() : lock_handle(recursive{true}) {}
};

/// Either a Lock or an RLock: what Condition, Value and Array have.
class AnyLock : public detail::lock_handle {
  public:
    /// Names no lock, until one is assigned: every call throws ValueError.
    AnyLock() noexcept : lock_handle(detail::shared_block()) {}
    AnyLock(const Lock& lock) : lock_handle(lock) {}
    AnyLock(const RLock& lock) : lock_handle(lock) {}

  private:
    friend class Condition;
    template <class T>
    friend class Value;
    template <class T>
    friend class Array;
    /// The lock that the block begins with.
    explicit AnyLock(const detail::shared_block& block) : lock_handle(block) {}
};

}  // namespace v0
}  // namespace multiprocessing
