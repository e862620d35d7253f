// SPDX-License-Identifier: BSL-1.0
// What the threads of a pool are given, and how far each of them is with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/local_job.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Items of a job that one thread executes, one after the other.
struct chunk {
    counted<local_job> owner;
    std::uint64_t first = 0, count = 0;
};

/// The item that a thread executes. What is behind it in its chunk is the thread's, too, until the
/// item is given up.
/// @note Guarded by the engine's lock.
class thread_activity {
  public:
    using clock = Deadline::clock;

    /// The thread executes the first item of `given`; if that has a time limit, it begins now.
    void begin(const chunk& given) noexcept {
        current_ = given;
        due_ = clock::time_point::max();
        if (is_timed())
            due_ = clock::now() + given.owner->limits().timeout;
    }
    /// @returns whether the item was given up meanwhile
    bool end() noexcept { return !std::exchange(current_, {}).owner; }

    /// The job whose item is executed; null when there is none, or it was given up.
    [[nodiscard]] const counted<local_job>& owner() const noexcept { return current_.owner; }
    [[nodiscard]] bool is_timed() const noexcept {
        return current_.owner &&
               current_.owner->limits().timeout != std::chrono::nanoseconds::zero();
    }
    /// Whether giving up the item would leave others to do.
    [[nodiscard]] bool may_leave_items() const noexcept { return is_timed() && current_.count > 1; }
    /// When the item is given up; never, if it has no time limit.
    [[nodiscard]] clock::time_point due() const noexcept {
        return current_.owner ? due_ : clock::time_point::max();
    }

    /// Settles the item with a TimeoutError: its thread goes on with it, but nobody waits for that.
    /// @returns what is behind it in its chunk, which is not the thread's any more
    chunk give_up() {
        chunk rest = std::exchange(current_, {});
        if (!rest.owner->settled())
            rest.owner->reject(rest.first, std::make_exception_ptr(TimeoutError(
                                               "ThreadPool: an item ran longer than its timeout; "
                                               "its thread goes on with it")));
        ++rest.first;
        --rest.count;
        return rest;
    }

  private:
    chunk current_;
    clock::time_point due_ = clock::time_point::max();
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
