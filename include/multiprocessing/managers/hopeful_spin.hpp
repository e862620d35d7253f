// SPDX-License-Identifier: BSL-1.0
// Waiting awake for what usually comes at once, and not where it does not.
#pragma once

#include <chrono>

#include <multiprocessing/os/spin.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// Waking a sleeper costs more than a request. But on a busy machine who waits awake takes the CPU
/// from the one that he waits for, so this offers it each time, and after some failures it does not
/// try for a while.
class hopeful_spin {
  public:
    /// Calls `done` until it returns true, for a moment, and once at least.
    template <class Done>
    bool operator()(Done done) {
        if (done())
            return true;
        if (pause_ > 0) {
            --pause_;
            return false;
        }
        const auto end = std::chrono::steady_clock::now() + limit;
        do {
            os::yield();
            if (done()) {
                failures_ = 0;
                return true;
            }
        } while (std::chrono::steady_clock::now() < end);
        if (++failures_ == most_failures) {
            failures_ = 0;
            pause_ = pause_length;
        }
        return false;
    }

  private:
    static constexpr std::chrono::microseconds limit{20};
    static constexpr int most_failures = 3;
    static constexpr int pause_length = 50;

    int failures_ = 0;
    int pause_ = 0;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
