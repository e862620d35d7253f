// SPDX-License-Identifier: BSL-1.0
// A call that was submitted to a pool, as the engines see it, without types.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/logging.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/pool/job_memory.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

class job;
// What a reference adds to a job's counts: the upper half counts those of AsyncResults.
inline constexpr std::uint64_t one_reference = 1;
inline constexpr std::uint64_t one_handle = one_reference + (std::uint64_t{1} << 32);
template <class Job, std::uint64_t Weight = one_reference>
class counted;

/// What carries jobs out: a pool of processes or of threads. Jobs keep it alive.
class executor {
  public:
    virtual ~executor() = default;
    /// Takes the jobs over.
    /// @throws ValueError("Pool not running") after its end, or whatever made it unusable; then
    /// they are where they were
    virtual void submit(std::span<counted<job>> work) = 0;
    /// An input that jobs are made of as it is drawn counts as submitted: an executor that is
    /// closed goes on until its last one is closed, too, or somebody waits for the executor's end.
    /// @throws what `submit` does
    virtual void open_input() = 0;
    /// Called once for each that was opened, also in a forked copy.
    virtual void close_input() noexcept = 0;
    /// As `submit`, of what was drawn from an open input.
    /// @throws what `submit` does, but not after close() alone
    virtual void submit_drawn(std::span<counted<job>> work) = 0;
    /// Waits until `ready` is true, at most until the deadline. @returns whether it is
    /// @throws KeyboardInterrupt under an InterruptGuard
    virtual bool wait(const std::atomic<bool>& ready, Deadline deadline) = 0;
    /// Takes in results that are there, without waiting.
    /// @throws ValueError in a forked copy of the process that made the call
    virtual void look() = 0;
    /// @returns false when the job was ready already
    virtual bool cancel(job& cancelled) = 0;
    /// Drops what was not started of a job whose results nobody wants any more.
    virtual void abandon(job& dropped) noexcept = 0;

  protected:
    /// Whether this process is a forked copy of the one whose executor this is.
    [[nodiscard]] bool forked() const noexcept { return mark_.forked(); }
    /// @throws ValueError if it is
    void refuse_if_forked() const {
        if (forked())
            throw ValueError("Pool not running: it belongs to the process that forked this one");
    }

  private:
    os::fork_mark mark_;
};

/// What an executor needs to know of a job's items.
struct job_limits {
    std::uint64_t items = 1;
    std::uint64_t chunk = 1;              // so many travel together
    std::chrono::nanoseconds timeout{0};  // one may run so long; 0: no limit
    unsigned retries = 0;                 // one that is lost with its worker is run again so often

    bool operator==(const job_limits&) const = default;
};

/// What a plain call has not: there may be millions of them, and each byte counts.
struct job_details {
    job_limits limits;
    std::function<void()> callback;
    struct setback_counts {
        unsigned lost = 0, returned = 0;
    };
    std::map<std::uint64_t, setback_counts> setbacks;  // of items whose workers died
};

/// A submitted call: items that are each settled once, by a result or by an error. Counted by
/// `counted`, freed with the last reference.
/// @note The executor calls everything but `ready` and `run_callback` under its lock.
class job : public job_memory {
  public:
    explicit job(const job_limits& limits) : open_(limits.items) {
        if (limits != one_call)
            details().limits = limits;
    }
    job(const job&) = delete;
    job& operator=(const job&) = delete;
    virtual ~job() = default;

    [[nodiscard]] const job_limits& limits() const noexcept {
        return details_ == nullptr ? one_call : details_->limits;
    }
    [[nodiscard]] const std::atomic<bool>& ready() const noexcept { return ready_; }
    [[nodiscard]] bool settled() const noexcept { return open_ == 0; }
    /// How many AsyncResults share it.
    [[nodiscard]] std::uint64_t handles() const noexcept {
        return counts_.load(std::memory_order_acquire) >> 32;
    }

    /// Settles one item with an error.
    void reject(std::uint64_t index, const std::exception_ptr& error) {
        if (settled())
            return;
        fail(index, error);
        --open_;
    }
    /// Settles all open items at once: cancelled, or the pool is gone.
    void reject_rest(const std::exception_ptr& error) {
        if (settled())
            return;
        fail_rest(error);
        open_ = 0;
    }

    /// Called before the job is submitted.
    void set_callback(std::function<void()> callback) { details().callback = std::move(callback); }
    [[nodiscard]] bool has_callback() const noexcept {
        return details_ != nullptr && details_->callback;
    }
    /// Called once when all items are settled, by the pool's own thread, without its lock. A
    /// callback that throws harms nobody else: it is logged.
    void run_callback() noexcept {
        try {
            std::exchange(details_->callback, nullptr)();
        } catch (const std::exception& failure) {
            log_failure(failure.what());
        } catch (...) {
            log_failure("an exception that is no std::exception");
        }
    }
    /// Called once when all items are settled, with the executor's lock or without it: drops the
    /// arguments.
    virtual void release_inputs() noexcept {}

    void set_ready() noexcept {
        ready_.store(true, std::memory_order_release);
        notify();
    }

  protected:
    [[nodiscard]] job_details& details() {
        if (details_ == nullptr)
            details_ = std::make_unique<job_details>();
        return *details_;
    }
    void count_settled(std::uint64_t items) noexcept { open_ -= items; }
    virtual void fail(std::uint64_t index, const std::exception_ptr& error) = 0;
    virtual void fail_rest(const std::exception_ptr& error) = 0;
    /// Called once, right after the job became ready.
    virtual void notify() noexcept {}

  private:
    template <class, std::uint64_t>
    friend class counted;

    static constexpr job_limits one_call{};

    static void log_failure(const char* what) noexcept {
        try {
            get_logger().error(std::string("a callback of a pool failed: ") + what);
        } catch (...) {  // no memory for the message: there is nobody left to tell
        }
    }

    std::uint64_t open_;
    std::unique_ptr<job_details> details_;  // none for most jobs
    std::atomic<std::uint64_t> counts_{0};
    std::atomic<bool> ready_{false};
};

/// The function of a call, by addresses.
struct callee {
    const void* thunk = nullptr;     // how it is called
    const void* function = nullptr;  // null unless it is a plain function

    /// Whether both are known to be the same.
    [[nodiscard]] bool is(const callee& other) const noexcept {
        return function != nullptr && function == other.function && thunk == other.thunk;
    }
    [[nodiscard]] std::uint8_t hash() const noexcept {
        const std::uint64_t key =
            reinterpret_cast<std::uintptr_t>(thunk) ^ reinterpret_cast<std::uintptr_t>(function);
        return static_cast<std::uint8_t>((key >> 4) * 0x9E3779B97F4A7C15ULL >> 56);
    }
};

/// A job whose items are executed in other processes: they can be written as often as needed.
class remote_job : public job {
  public:
    using job::job;

    /// Appends what a run of this job's items begins with, all but the count: run_header, function.
    virtual void write_prefix(output_buffer& out) const = 0;
    /// Appends items `first` to `first + count`, but stops behind `enough` bytes.
    /// @returns how many were written; `failure` is why the next one could not be
    virtual std::uint64_t write_items(std::uint64_t first, std::uint64_t count, std::size_t enough,
                                      output_buffer& out, std::exception_ptr& failure) = 0;
    /// Bytes of each result if all have the same size and need no decoding, else 0.
    [[nodiscard]] virtual std::uint64_t result_size() const noexcept = 0;
    /// What is called, as far as addresses tell. Jobs with the same function, time limit and chunk
    /// have the same prefix.
    [[nodiscard]] virtual callee called() const noexcept { return {}; }
    /// Jobs with equal keys cost about the same per item.
    [[nodiscard]] virtual std::uint8_t cost_key() const noexcept = 0;

    /// Settles items `first` to `first + count` with their results.
    void accept(std::uint64_t first, std::uint64_t count, std::span<const std::byte> bytes) {
        if (settled())
            return;
        store(first, count, bytes);
        count_settled(count);
    }

    /// Called when item `index` was lost with its worker. @returns whether it is to be run again
    [[nodiscard]] bool may_retry(std::uint64_t index) {
        return !settled() && limits().retries != 0 &&
               ++details().setbacks[index].lost <= limits().retries;
    }

    /// Called when item `index` was returned by a worker that died before it began it, by all that
    /// is known. @returns false when that happens too often to be true
    [[nodiscard]] bool may_return(std::uint64_t index) {
        constexpr unsigned credible = 8;
        return !settled() && ++details().setbacks[index].returned <= credible;
    }

  protected:
    /// Keeps results; those that cannot be decoded become their item's error.
    virtual void store(std::uint64_t first, std::uint64_t count,
                       std::span<const std::byte> bytes) = 0;
};

/// A counted reference to a job.
template <class Job, std::uint64_t Weight>
class counted {
  public:
    counted() = default;
    explicit counted(Job* referred) noexcept : job_(referred) {
        if (job_ != nullptr)
            counts().fetch_add(Weight, std::memory_order_relaxed);
    }
    /// To a job that no other thread knows yet, so that counting costs nothing.
    static counted to_new(Job& made) noexcept {
        counted first;
        first.job_ = &made;
        auto& counts = first.counts();
        counts.store(counts.load(std::memory_order_relaxed) + Weight, std::memory_order_relaxed);
        return first;
    }
    counted(const counted& other) noexcept : counted(other.job_) {}
    counted(counted&& other) noexcept : job_(std::exchange(other.job_, nullptr)) {}
    template <class Derived>
        requires std::derived_from<Derived, Job> counted(const counted<Derived, Weight>& other)
    noexcept : counted(other.get()) {}
    counted& operator=(counted other) noexcept {
        std::swap(job_, other.job_);
        return *this;
    }
    ~counted() {
        if (job_ != nullptr && counts().fetch_sub(Weight, std::memory_order_acq_rel) == Weight)
            delete job_;
    }

    /// The reference itself as one to what the job is known to be.
    template <class Derived>
    [[nodiscard]] counted<Derived, Weight> as() && noexcept {
        counted<Derived, Weight> same;
        same.job_ = static_cast<Derived*>(std::exchange(job_, nullptr));
        return same;
    }

    [[nodiscard]] Job* get() const noexcept { return job_; }
    Job* operator->() const noexcept { return job_; }
    Job& operator*() const noexcept { return *job_; }
    [[nodiscard]] explicit operator bool() const noexcept { return job_ != nullptr; }

  private:
    template <class, std::uint64_t>
    friend class counted;

    [[nodiscard]] std::atomic<std::uint64_t>& counts() const noexcept {
        return static_cast<job*>(job_)->counts_;
    }
    Job* job_ = nullptr;
};

using job_ref = counted<remote_job>;
using job_handle = counted<job, one_handle>;

/// A part of a job: items `first` to `first + count`.
struct slice {
    job_ref owner;
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
