// SPDX-License-Identifier: BSL-1.0
// Event: a flag that threads and processes wait for.
#pragma once

#include <new>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/synchronize/event_core.hpp>

namespace multiprocessing {
inline namespace v0 {

/// A flag, at first not set.
///
/// A handle: copies name the same event; it can be sent to any process. The death of any process
/// leaves it as it is.
/// @par Python `multiprocessing.Event`
class Event {
  public:
    using multiprocessing_handle = void;

    /// @throws std::system_error when there is no memory
    Event() : block_(detail::shared_block::allocate(sizeof(detail::event_core))) {
        new (block_.data()) detail::event_core();
    }

    [[nodiscard]] bool is_set() const { return core().is_set(); }
    /// Sets it and wakes all that wait, also those who would find it cleared again.
    void set() const { core().set(); }
    void clear() const { core().clear(); }
    /// Waits until it is set.
    /// @returns true
    /// @note Throws KeyboardInterrupt under an InterruptGuard.
    bool wait() const { return core().wait(detail::Deadline()); }
    /// The same. @returns false when the timeout passes before
    bool wait(Timeout timeout) const { return core().wait(detail::Deadline(timeout)); }

    /// Two handles are equal when they name the same event.
    friend bool operator==(const Event&, const Event&) = default;

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        block_.template serialize_as<detail::event_core>(archive, version);
    }

  private:
    [[nodiscard]] detail::event_core& core() const { return *block_.as<detail::event_core>(); }

    detail::shared_block block_;
};

}  // namespace v0
}  // namespace multiprocessing
