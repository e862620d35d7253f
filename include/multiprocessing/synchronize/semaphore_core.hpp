// SPDX-License-Identifier: BSL-1.0
// A semaphore as it lies in shared memory.
//
// `value` is the number of free permits; who takes one lowers it, who gives one back raises it,
// each by one compare-and-swap, and sleeps on it while it is 0. `sleepers` says how many do: raised
// before, lowered after the sleep; a releaser that reads 0 makes no system call. `limit` is written
// once. If a process dies
//   - holding a permit: it stays taken, for a semaphore does not know who has its permits;
//   - between raising `value` and waking a sleeper, or as the sleeper that was woken: a permit is
//     free and others sleep, at most until their slice ends;
//   - asleep: `sleepers` stays too high; releases then make a system call that wakes nobody.
#pragma once

#include <cstdint>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/futex.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

struct semaphore_core {
    static constexpr std::uint32_t highest = 2'147'483'647;

    os::futex_word value;
    os::futex_word sleepers{0};
    std::uint32_t limit;

    semaphore_core(std::uint32_t permits, std::uint32_t most) noexcept
        : value(permits), limit(most) {}

    bool try_acquire() noexcept {
        std::uint32_t seen = value.load(std::memory_order_relaxed);
        while (seen > 0)
            if (value.compare_exchange_weak(seen, seen - 1))
                return true;
        return false;
    }

    bool acquire(const Deadline& deadline) {
        while (!try_acquire()) {
            if (deadline.expired())
                return false;
            check_interrupt();
            ++sleepers;
            os::futex_wait(value, 0, deadline.remaining());
            --sleepers;
        }
        return true;
    }

    /// @returns false, and releases none, when that would be more than `limit`
    bool release(std::uint32_t count) noexcept {
        std::uint32_t seen = value.load(std::memory_order_relaxed);
        do {
            if (count > limit - seen)
                return false;
        } while (!value.compare_exchange_weak(seen, seen + count));
        if (sleepers.load() > 0)
            os::futex_wake(value, count);
        return true;
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
