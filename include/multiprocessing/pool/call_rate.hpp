// SPDX-License-Identifier: BSL-1.0
// Whether calls come one right after the other, as a loop submits them.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @note One thread at a time.
class call_rate {
  public:
    using clock = std::chrono::steady_clock;

    /// @param calls so many came since the start
    /// @returns whether they came fast until now; for a while, what was found last
    [[nodiscard]] bool is_high(std::uint64_t calls, clock::time_point now) noexcept {
        const auto elapsed = now - looked_at_;
        if (elapsed >= window) {
            const std::uint64_t came = calls - std::exchange(seen_, calls);
            high_ = came >= least * static_cast<std::uint64_t>(elapsed / window);
            looked_at_ = now;
        }
        return high_;
    }

  private:
    // A call each 6 microseconds: whoever waits for each of them is slower.
    static constexpr std::chrono::microseconds window{100};
    static constexpr std::uint64_t least = 16;

    clock::time_point looked_at_{};
    std::uint64_t seen_ = 0;
    bool high_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
