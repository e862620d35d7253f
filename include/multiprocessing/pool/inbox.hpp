// SPDX-License-Identifier: BSL-1.0
// Where calls are put until somebody has time for them, and whether a pool still takes any.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/pool/job.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @note Any thread.
class inbox {
  public:
    /// Takes the jobs over.
    /// @throws ValueError after close(), or whatever broke the pool; then nothing was put
    void put(std::span<counted<job>> work) {
        const std::scoped_lock lock(lock_);
        check_running();
        auto place = jobs_.size();
        jobs_.resize(place + work.size());
        for (counted<job>& one : work)
            jobs_[place++] = std::move(one).as<remote_job>();
        filled_.store(true, std::memory_order_release);
    }

    [[nodiscard]] bool filled() const noexcept { return filled_.load(std::memory_order_acquire); }
    /// Moves what was put to `taken`, which is empty.
    void take(std::vector<job_ref>& taken) noexcept {
        if (!filled())
            return;
        const std::scoped_lock lock(lock_);
        std::swap(jobs_, taken);
        filled_.store(false, std::memory_order_relaxed);
    }

    /// Nothing is put any more, when this returns.
    void close() noexcept {
        const std::scoped_lock lock(lock_);
        closed_.store(true, std::memory_order_release);
    }
    void break_with(std::exception_ptr reason) noexcept {
        const std::scoped_lock lock(lock_);
        reason_ = std::move(reason);
        broken_.store(true, std::memory_order_release);
    }
    [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

    /// @throws ValueError after close(), or whatever broke the pool
    void check_running() const {
        if (broken_.load(std::memory_order_acquire))
            std::rethrow_exception(reason_);
        if (closed())
            throw ValueError("Pool not running");
    }

  private:
    std::mutex lock_;
    std::vector<job_ref> jobs_;
    std::exception_ptr reason_;  // written once, before broken_
    std::atomic<bool> filled_{false}, closed_{false}, broken_{false};
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
