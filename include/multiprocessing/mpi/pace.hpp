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
/// what it came after, and a rank that has nothing to do takes about a hundredth of a CPU. First
/// it looks some hundred times without a pause, but lets others have the CPU: where they want it
/// that takes long, yet costs them little.
class pace {
  public:
    using clock = std::chrono::steady_clock;

    void reset() noexcept { looks_ = 0; }

    /// @returns how long to sleep now; zero: look again at once
    std::chrono::nanoseconds next() noexcept {
        if (++looks_ == 1)
            since_ = clock::now();
        if (looks_ <= awake) {
            if (looks_ > alone)
                os::yield();
            return std::chrono::nanoseconds::zero();
        }
        return std::clamp<std::chrono::nanoseconds>((clock::now() - since_) / part, shortest,
                                                    longest);
    }
    /// Whether nothing came for so long that nothing is expected.
    [[nodiscard]] bool rested() const noexcept {
        return looks_ > awake && clock::now() - since_ > std::chrono::seconds(1);
    }

    static constexpr std::chrono::nanoseconds longest = std::chrono::milliseconds(1);

  private:
    static constexpr unsigned alone = 16, awake = 400;
    static constexpr std::chrono::nanoseconds shortest = std::chrono::microseconds(20);
    static constexpr int part = 32;

    unsigned looks_ = 0;         // since something came
    clock::time_point since_{};  // when nothing came for the first time
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
