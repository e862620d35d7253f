// SPDX-License-Identifier: BSL-1.0
// A job whose items are executed by threads of this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>

#include <multiprocessing/pool/job.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A job whose items are executed in this process.
/// @note `release_inputs` is called without the executor's lock, for arguments may use the pool
/// when they are destroyed.
class local_job : public job {
  public:
    using job::job;

    /// Executes one item and keeps its outcome in a place of its own. Called without a lock.
    virtual void execute(std::uint64_t index) noexcept = 0;
    /// Whether items are read where the caller has them: then its call must not return before the
    /// threads have let go of them.
    [[nodiscard]] virtual bool borrows() const noexcept { return false; }

    /// Settles an item that was executed; an outcome that cannot be kept is an error.
    /// @returns false when the job was settled as a whole before
    bool settle(std::uint64_t index) {
        if (settled())
            return false;
        try {
            keep(index);
        } catch (...) {
            fail(index, std::current_exception());
        }
        count_settled(1);
        return true;
    }

    void begin() noexcept { ++executing_; }
    void end() noexcept { --executing_; }
    /// Whether a thread executes an item. It may go on with one whose job is settled.
    [[nodiscard]] bool executing() const noexcept { return executing_ != 0; }
    /// @returns true once, when nobody looks at the inputs any more: they are to be released
    [[nodiscard]] bool claim_inputs() noexcept {
        return settled() && !executing() && std::exchange(has_inputs_, false);
    }

  protected:
    /// Takes over the outcome of an executed item. Called under the executor's lock.
    virtual void keep(std::uint64_t index) = 0;
    /// Called where nothing is left to release; in `execute`, by the last item.
    void forget_inputs() noexcept { has_inputs_ = false; }

  private:
    friend class finished_jobs;

    counted<local_job> next_;  // among finished jobs
    std::uint32_t executing_ = 0;
    bool has_inputs_ = true;
};

/// A queue of jobs, linked by themselves, so that it takes no memory.
class finished_jobs {
  public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    void push(const counted<local_job>& finished) noexcept {
        (last_ == nullptr ? first_ : last_->next_) = finished;
        last_ = finished.get();
        ++size_;
    }
    [[nodiscard]] counted<local_job> pop() noexcept {
        counted<local_job> popped = std::move(first_);
        first_ = std::move(popped->next_);
        if (--size_ == 0)
            last_ = nullptr;
        return popped;
    }

  private:
    counted<local_job> first_;
    local_job* last_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
