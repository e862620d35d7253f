// SPDX-License-Identifier: BSL-1.0
// Waiting awake for what usually comes at once, and not where it does not.
#pragma once

#include <algorithm>
#include <chrono>

#include <multiprocessing/os/spin.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// Waking a sleeper costs more than what comes at once takes to come. But on a busy machine who
/// waits awake takes the CPU from the one that it waits for, so this offers it each time, and after
/// some failures it does not try for a while.
/// @note One thread at a time.
class hopeful_spin {
  public:
    /// Calls `done` until it returns true, once at least, for a moment and at most `limit`.
    /// @returns what it returned last
    template <class Done>
    bool operator()(Done done, std::chrono::nanoseconds limit = longest) {
        if (done())
            return true;
        if (pause_ > 0) {
            --pause_;
            return false;
        }
        const auto end =
            std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(limit, longest);
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
    static constexpr std::chrono::microseconds longest{20};
    static constexpr int most_failures = 3;
    static constexpr int pause_length = 50;

    int failures_ = 0;
    int pause_ = 0;
};

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
