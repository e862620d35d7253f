// SPDX-License-Identifier: BSL-1.0
// An event as it lies in shared memory.
//
// One word: bit 0, the event is set; bit 1, somebody may sleep on the word; above, how often it was
// set, so that who waited while it was set and cleared again learns of it. Everybody writes it, by
// compare-and-swap: `set` counts, sets bit 0, clears bit 1 and wakes all if bit 1 was there;
// `clear` clears bit 0; who waits sets bit 1. If a process dies
//   - between setting the word and waking the sleepers: they see it when their slice ends;
//   - asleep: bit 1 stays until the next `set`, which then makes a system call for nobody.
#pragma once

#include <cstdint>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/futex.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

struct event_core {
    static constexpr std::uint32_t set_bit = 1;
    static constexpr std::uint32_t sleepers_bit = 2;
    static constexpr std::uint32_t one_time = 4;

    os::futex_word word{0};

    [[nodiscard]] bool is_set() const noexcept { return (word.load() & set_bit) != 0; }

    void set() noexcept {
        std::uint32_t seen = word.load();
        while ((seen & set_bit) == 0) {
            if (word.compare_exchange_weak(seen, ((seen & ~sleepers_bit) + one_time) | set_bit)) {
                if ((seen & sleepers_bit) != 0)
                    os::futex_wake_all(word);
                return;
            }
        }
    }

    void clear() noexcept { word.fetch_and(~set_bit); }

    /// @returns true when it is set, or was set since the call began
    bool wait(const Deadline& deadline) {
        std::uint32_t seen = word.load();
        const std::uint32_t times = seen / one_time;
        while ((seen & set_bit) == 0 && seen / one_time == times) {
            if (deadline.expired())
                return false;
            const std::uint32_t marked = seen | sleepers_bit;
            if (seen != marked && !word.compare_exchange_weak(seen, marked))
                continue;
            os::futex_wait_slice(word, marked, deadline);
            seen = word.load();
        }
        return true;
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
