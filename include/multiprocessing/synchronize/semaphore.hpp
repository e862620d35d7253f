// SPDX-License-Identifier: BSL-1.0
// Semaphore and BoundedSemaphore: a number of permits that threads and processes share.
#pragma once

#include <concepts>
#include <cstdint>
#include <new>
#include <string>

#include <multiprocessing/core/count.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/synchronize/semaphore_core.hpp>

namespace multiprocessing {
inline namespace v0 {

/// A number of permits; acquire() takes one and waits while there is none.
///
/// A handle: copies name the same semaphore; it can be sent to any process. Anyone may release; a
/// permit that a killed process had stays taken.
/// @par Python `multiprocessing.Semaphore`
class Semaphore {
  public:
    using multiprocessing_handle = void;

    /// One permit. @throws std::system_error when there is no memory
    Semaphore() : Semaphore(Count(1)) {}
    /// @param value the free permits, 0 to 2147483647
    /// @throws ValueError for another number; std::system_error when there is no memory
    explicit Semaphore(Count value)
        : Semaphore(permits(value, "Semaphore: value"), detail::semaphore_core::highest) {}

    /// Takes a permit; waits for one.
    /// @returns true
    /// @note Throws KeyboardInterrupt under an InterruptGuard.
    bool acquire() const { return core().acquire(detail::Deadline()); }
    /// The same, when `block` is true; else tries once. @returns whether it got one
    bool acquire(std::same_as<bool> auto block) const { return block ? acquire() : try_lock(); }
    /// The same; gives up after the timeout. @returns whether it got one
    bool acquire(Timeout timeout) const { return core().acquire(detail::Deadline(timeout)); }
    bool acquire(std::same_as<bool> auto block, Timeout timeout) const {
        return block ? acquire(timeout) : try_lock();
    }
    /// Gives a permit back. @throws ValueError when there would be more than the most
    void release() const {
        if (!core().release(1))
            throw ValueError("Semaphore.release: called too often");
    }
    /// The free permits at this moment.
    [[nodiscard]] std::uint32_t get_value() const { return core().value.load(); }
    /// Whether there is no free permit at this moment.
    [[nodiscard]] bool locked() const { return get_value() == 0; }

    void lock() const { acquire(); }
    bool try_lock() const { return core().try_acquire(); }
    void unlock() const { release(); }

    /// Two handles are equal when they name the same semaphore.
    friend bool operator==(const Semaphore&, const Semaphore&) = default;

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        block_.template serialize_as<detail::semaphore_core>(archive, version);
    }

  protected:
    Semaphore(std::uint32_t value, std::uint32_t most)
        : block_(detail::shared_block::allocate(sizeof(detail::semaphore_core))) {
        new (block_.data()) detail::semaphore_core(value, most);
    }
    static std::uint32_t permits(Count value, const char* name) {
        const std::uint64_t number = value.at_least(0, name);
        if (number > detail::semaphore_core::highest)
            throw ValueError(std::string(name) + " must be at most 2147483647");
        return static_cast<std::uint32_t>(number);
    }

  private:
    [[nodiscard]] detail::semaphore_core& core() const {
        return *block_.as<detail::semaphore_core>();
    }

    detail::shared_block block_;
};

/// A Semaphore that never has more permits than at first.
/// @par Python `multiprocessing.BoundedSemaphore`
class BoundedSemaphore : public Semaphore {
  public:
    // As Semaphore's.

    BoundedSemaphore() : BoundedSemaphore(Count(1)) {}
    explicit BoundedSemaphore(Count value)
        : Semaphore(permits(value, "BoundedSemaphore: value"),
                    permits(value, "BoundedSemaphore: value")) {}
};

}  // namespace v0
}  // namespace multiprocessing
