// SPDX-License-Identifier: BSL-1.0
// How a thread waits for messages of MPI, whose own waits keep a CPU busy: it looks, and pauses
// longer the longer nothing came.
#pragma once

#include <algorithm>
#include <chrono>

#include <multiprocessing/os/spin.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A pause is a small part of the time that nothing came: it costs a message little, compared with
/// what it came after, and a rank that has nothing to do takes about half a percent of a CPU.
class pace {
  public:
    using clock = std::chrono::steady_clock;

    void reset() noexcept { since_ = clock::time_point(); }

    /// @returns how long to sleep now; zero: look again at once, others were let to the CPU
    std::chrono::nanoseconds next() noexcept {
        const auto now = clock::now();
        if (since_ == clock::time_point())
            since_ = now;
        const auto idle = now - since_;
        if (idle < awake) {
            os::yield();
            return std::chrono::nanoseconds::zero();
        }
        return std::clamp<std::chrono::nanoseconds>(idle / part, shortest, longest);
    }
    /// Whether nothing came for so long that nothing is expected.
    [[nodiscard]] bool rested() const noexcept {
        return since_ != clock::time_point() && clock::now() - since_ > std::chrono::seconds(1);
    }

    static constexpr std::chrono::nanoseconds longest = std::chrono::milliseconds(1);

  private:
    static constexpr std::chrono::nanoseconds awake = std::chrono::microseconds(50);
    static constexpr std::chrono::nanoseconds shortest = std::chrono::microseconds(20);
    static constexpr int part = 32;

    clock::time_point since_{};  // when nothing came for the first time
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
