// SPDX-License-Identifier: BSL-1.0
// Where calls are put until somebody has time for them, and whether a pool still takes any.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
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
    /// @param drawn whether they come from an open input: then they are taken after close(), too,
    /// until it is complete
    /// @throws ValueError after close(), or whatever broke the pool; then nothing was put
    void put(std::span<counted<job>> work, bool drawn) {
        const std::scoped_lock lock(lock_);
        check_before(drawn ? complete_ : closed_);
        auto place = jobs_.size();
        jobs_.resize(place + work.size());
        for (counted<job>& one : work)
            jobs_[place++] = std::move(one).as<remote_job>();
        puts_.store(puts_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        if (!filled_.load(std::memory_order_relaxed))
            filled_.store(true, std::memory_order_seq_cst);
    }
    /// How often something was put.
    [[nodiscard]] std::uint64_t puts() const noexcept {
        return puts_.load(std::memory_order_relaxed);
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

    /// @throws ValueError after close(), or whatever broke the pool
    void open_input() {
        const std::scoped_lock lock(lock_);
        check_running();
        ++open_inputs_;
    }
    void close_input() noexcept {
        const std::scoped_lock lock(lock_);
        --open_inputs_;
        complete_if_closed();
    }

    /// Nothing is put any more, when this returns, but what is drawn from inputs that are open.
    void close() noexcept {
        const std::scoped_lock lock(lock_);
        closed_.store(true, std::memory_order_release);
        complete_if_closed();
    }
    /// Nothing is put any more, when this returns.
    void seal() noexcept {
        const std::scoped_lock lock(lock_);
        closed_.store(true, std::memory_order_release);
        complete_.store(true, std::memory_order_release);
    }
    void break_with(std::exception_ptr reason) noexcept {
        const std::scoped_lock lock(lock_);
        reason_ = std::move(reason);
        broken_.store(true, std::memory_order_release);
    }
    [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
    /// Whether all that will ever be put has been.
    [[nodiscard]] bool complete() const noexcept {
        return complete_.load(std::memory_order_acquire);
    }

    /// @throws ValueError after close(), or whatever broke the pool
    void check_running() const { check_before(closed_); }

  private:
    void check_before(const std::atomic<bool>& end) const {
        if (broken_.load(std::memory_order_acquire))
            std::rethrow_exception(reason_);
        if (end.load(std::memory_order_acquire))
            throw ValueError("Pool not running");
    }
    void complete_if_closed() noexcept {
        if (closed() && open_inputs_ == 0)
            complete_.store(true, std::memory_order_release);
    }

    std::mutex lock_;
    std::size_t open_inputs_ = 0;
    std::vector<job_ref> jobs_;
    std::exception_ptr reason_;  // written once, before broken_
    std::atomic<std::uint64_t> puts_{0};
    std::atomic<bool> filled_{false}, closed_{false}, complete_{false}, broken_{false};
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
