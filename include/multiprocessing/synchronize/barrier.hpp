// SPDX-License-Identifier: BSL-1.0
// Barrier: a number of threads or processes wait until all of them have arrived.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <utility>

#include <multiprocessing/core/count.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/synchronize/action.hpp>
#include <multiprocessing/synchronize/barrier_core.hpp>

namespace multiprocessing {
inline namespace v0 {

/// A meeting point that opens when all its parties wait there, again and again.
///
/// A handle: copies name the same barrier; it can be sent to any process. One that dies while it
/// waits counts as arrived; one that dies in the action breaks the barrier.
/// @par Python `multiprocessing.Barrier`
class Barrier {
  public:
    using multiprocessing_handle = void;

    /// Names no barrier, until one is assigned: every call throws ValueError.
    Barrier() noexcept = default;
    /// @param parties how many meet, at least 1
    /// @param action called once a round, by the last to arrive, before the others go on. Forked
    ///     processes inherit it; sent to another one it must be picklable, else PicklingError
    /// @param timeout that of wait() without one; none by default
    /// @throws ValueError for less than one party; std::system_error when there is no memory
    explicit Barrier(Count parties, detail::action action = {},
                     std::optional<Timeout> timeout = std::nullopt)
        : action_(std::move(action)) {
        const std::uint64_t number = parties.at_least(1, "Barrier: parties");
        if (number > std::numeric_limits<std::int32_t>::max())
            throw ValueError("Barrier: parties must be at most 2147483647");
        block_ = detail::shared_block::allocate(sizeof(detail::barrier_core));
        new (block_.data()) detail::barrier_core(static_cast<std::uint32_t>(number),
                                                 timeout ? timeout->count().count() : -1);
    }

    /// Waits until all parties do.
    /// @returns 0 for the first that arrived, parties() - 1 for the last
    /// @throws BrokenBarrierError when the barrier is broken, or becomes so, or is reset; when the
    ///     barrier's timeout passes, which breaks it
    /// @throws what the action throws, which breaks the barrier
    /// @note Throws KeyboardInterrupt under an InterruptGuard.
    std::uint32_t wait() const {
        const std::chrono::nanoseconds timeout(core().timeout);
        return wait_until(timeout.count() < 0 ? detail::Deadline() : detail::Deadline(timeout));
    }
    /// The same with another timeout.
    std::uint32_t wait(Timeout timeout) const { return wait_until(detail::Deadline(timeout)); }
    /// Breaks the barrier until it is reset.
    void abort() const { core().abort(); }
    /// Makes it as new. Who waits gets BrokenBarrierError.
    void reset() const { core().reset(); }

    [[nodiscard]] std::uint32_t parties() const { return core().parties; }
    /// How many wait at this moment.
    [[nodiscard]] std::uint32_t n_waiting() const { return core().arrived.load(); }
    [[nodiscard]] bool broken() const { return core().broken.load() != 0; }

    /// Two handles are equal when they name the same barrier.
    friend bool operator==(const Barrier& a, const Barrier& b) noexcept {
        return a.block_ == b.block_;
    }

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        action_.serialize(archive, version);  // may throw: then the block did not depart
        block_.template serialize_as<detail::barrier_core>(archive, version);
    }

  private:
    [[nodiscard]] detail::barrier_core& core() const { return *block_.as<detail::barrier_core>(); }
    std::uint32_t wait_until(const detail::Deadline& deadline) const {
        return core().wait(deadline, action_);
    }

    detail::shared_block block_;
    detail::action action_;
};

}  // namespace v0
}  // namespace multiprocessing
