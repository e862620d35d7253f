// SPDX-License-Identifier: BSL-1.0
// How long a call may wait: a duration at the interface, a point on the steady clock behind it.
#pragma once

#include <algorithm>
#include <chrono>
#include <limits>

namespace multiprocessing {
inline namespace v0 {

/// How long a blocking call may wait. Any std::chrono::duration converts to it; bare numbers do
/// not.
/// @note Negative durations count as zero, durations too long for nanoseconds as for ever. All
/// waits use the steady clock: a changed system time does not change them.
/// @par Python `timeout=2.5`
class Timeout {
  public:
    using duration = std::chrono::nanoseconds;

    template <class Rep, class Period>
    constexpr Timeout(std::chrono::duration<Rep, Period> d) noexcept : duration_(clamp(d)) {}

    [[nodiscard]] constexpr duration count() const noexcept { return duration_; }

  private:
    template <class Rep, class Period>
    static constexpr duration clamp(std::chrono::duration<Rep, Period> d) noexcept {
        const std::chrono::duration<double> seconds = d;
        if (!(seconds.count() > 0))
            return duration::zero();  // negative, zero and not-a-number
        if (seconds.count() > 4e9)
            return duration::max() / 2;  // over a century: leaves room to add a point in time
        return std::chrono::duration_cast<duration>(d);
    }

    duration duration_;
};

namespace detail {

/// No wait of the library lasts longer than this in one piece: a wake-up that a killed process took
/// with it, or an interrupt, is then noticed after a tenth of a second at the latest.
inline constexpr std::chrono::milliseconds wait_slice{100};

/// The moment at which a wait ends; `Deadline()` never comes.
class Deadline {
  public:
    using clock = std::chrono::steady_clock;

    constexpr Deadline() noexcept = default;
    explicit Deadline(Timeout timeout) noexcept {
        const auto now = clock::now();
        if (timeout.count() < clock::time_point::max() - now)
            at_ = now + timeout.count();
    }

    [[nodiscard]] bool never() const noexcept { return at_ == clock::time_point::max(); }
    [[nodiscard]] bool expired() const noexcept { return !never() && clock::now() >= at_; }

    /// The time that is left, at least zero, at most `limit`.
    [[nodiscard]] std::chrono::nanoseconds remaining(
        std::chrono::nanoseconds limit = wait_slice) const noexcept {
        if (never())
            return limit;
        const std::chrono::nanoseconds left = at_ - clock::now();
        return std::clamp(left, std::chrono::nanoseconds::zero(), limit);
    }

  private:
    clock::time_point at_ = clock::time_point::max();
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
