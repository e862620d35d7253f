// SPDX-License-Identifier: BSL-1.0
// A pool of threads as its jobs see it: a queue of chunks, the threads that execute them, and a
// clock that gives up on items which run too long.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/process/identity.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A job whose items are executed in this process.
class local_job : public job {
  public:
    using job::job;

    /// Executes one item and keeps its outcome in a place of its own. Called without a lock.
    virtual void execute(std::uint64_t index) noexcept = 0;

    /// Settles an item that was executed. @returns false when the job was settled as a whole before
    bool settle(std::uint64_t index) {
        if (settled())
            return false;
        keep(index);
        count_settled(1);
        return true;
    }

  protected:
    /// Takes over the outcome of an executed item. Called under the executor's lock.
    virtual void keep(std::uint64_t index) = 0;
};

/// @note Threads cannot be killed: cancel and timeout give up waiting, and the thread goes on with
/// what it does. The end of the engine waits for what its threads do.
class thread_engine final : public executor {
  public:
    thread_engine(std::size_t threads, std::function<void()> initializer)
        : initializer_(std::move(initializer)), running_(threads) {
        const os::blocked_signals blocked;  // the application's signals go to its own threads
        try {
            for (activity& current : running_)
                start(blocked.application(), [this, &current] { work(current); });
            start(blocked.application(), [this] { serve(); });
        } catch (...) {
            dismiss();
            throw;
        }
    }
    thread_engine(const thread_engine&) = delete;
    thread_engine& operator=(const thread_engine&) = delete;
    ~thread_engine() override { dismiss(); }

    [[nodiscard]] std::size_t workers() const noexcept { return running_.size(); }

    void submit(std::span<counted<job>> work) override {
        const std::scoped_lock lock(lock_);
        check_running_locked();
        for (counted<job>& one : work) {
            const auto owned = std::move(one).as<local_job>();
            const job_limits& limits = owned->limits();
            if (owned->settled())
                finish(owned);  // of no items
            for (std::uint64_t first = 0; first < limits.items; first += limits.chunk)
                queue_.push_back({owned, first, std::min(limits.chunk, limits.items - first)});
        }
        has_work_.notify_all();
    }

    bool wait(const std::atomic<bool>& ready, Deadline deadline) override {
        std::unique_lock lock(lock_);
        while (!ready.load(std::memory_order_acquire)) {
            if (deadline.expired())
                return false;
            auto limit = deadline.remaining();
            if (threads_.back().get_id() == std::this_thread::get_id()) {
                // A callback waits for another call: meanwhile its thread goes on with its work.
                if (call_back(lock))
                    continue;
                const auto next = give_up_late_items();
                if (ready.load(std::memory_order_acquire) || !calling_back_.empty())
                    continue;
                limit = std::clamp<std::chrono::nanoseconds>(
                    next - Deadline::clock::now(), std::chrono::nanoseconds::zero(), limit);
            }
            wait_for_news(lock, limit);
        }
        return true;
    }
    void look() noexcept override {}

    bool cancel(job& given) override {
        const std::scoped_lock lock(lock_);
        if (given.settled())
            return false;
        given.reject_rest(std::make_exception_ptr(CancelledError("the call was cancelled")));
        finish(counted<local_job>(static_cast<local_job*>(&given)));
        return true;
    }
    void abandon(job& dropped) noexcept override {
        const std::scoped_lock lock(lock_);
        dropped.reject_rest(nullptr);
    }

    /// @throws ValueError after close(), or what the initializer threw
    void check_running() {
        const std::scoped_lock lock(lock_);
        check_running_locked();
    }
    void close() {
        const std::scoped_lock lock(lock_);
        closed_ = true;
        has_work_.notify_all();
    }
    void terminate() noexcept {
        const std::scoped_lock lock(lock_);
        closed_ = true;
        reject_everything(std::make_exception_ptr(CancelledError("the pool was terminated")));
        has_work_.notify_all();
    }
    /// @throws ValueError while it is running; KeyboardInterrupt
    void join() {
        std::unique_lock lock(lock_);
        if (!closed_)
            throw ValueError("Pool is still running: close() or terminate() it before join()");
        if (called_from_own_thread())
            throw ValueError("Pool.join: a callback cannot wait for its own pool");
        while (ended_ != running_.size() + 1)
            wait_for_news(lock, wait_slice);
        lock.unlock();
        join_threads();
    }
    /// terminate and join; what the pool's destructor does.
    void dismiss() noexcept {
        const bool foreign = made_in_ != os::fork_count();  // a forked copy has no such threads
        if (!foreign)
            terminate();
        if (!foreign && !called_from_own_thread())
            return join_threads();
        for (std::thread& one : threads_)
            if (one.joinable())
                one.detach();
    }

  private:
    struct task {
        counted<local_job> owner;
        std::uint64_t first = 0, count = 0;
    };
    /// The item that a thread executes.
    struct activity {
        counted<local_job> owner;
        std::uint64_t index = 0;
        Deadline::clock::time_point started{};
    };

    template <class Body>
    void start(const sigset_t& mask, Body body) {
        ++library_threads();
        try {
            threads_.emplace_back([mask, body] {
                os::keep_application_mask(mask);
                body();
            });
        } catch (...) {
            --library_threads();
            throw;
        }
    }

    void check_running_locked() const {
        if (broken_)
            std::rethrow_exception(broken_);
        if (closed_ || made_in_ != os::fork_count())
            throw ValueError("Pool not running");
    }
    [[nodiscard]] bool called_from_own_thread() const noexcept {
        return std::ranges::any_of(threads_, [](const std::thread& one) {
            return one.get_id() == std::this_thread::get_id();
        });
    }
    void join_threads() noexcept {
        for (std::thread& one : threads_)
            if (one.joinable())
                one.join();
    }
    void wait_for_news(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds limit) {
        ++waiting_;
        news_.wait_for(lock, limit);
        --waiting_;
        if (interrupt_pending.load(std::memory_order_relaxed)) {
            lock.unlock();
            check_interrupt();
            lock.lock();
        }
    }

    // ---- the threads that execute

    void work(activity& current) noexcept {
        initialize();
        std::unique_lock lock(lock_);
        for (;;) {
            has_work_.wait(lock, [this] { return !queue_.empty() || closed_; });
            if (queue_.empty())
                break;
            const task next = std::move(queue_.front());
            queue_.pop_front();
            for (std::uint64_t i = 0; i < next.count && !next.owner->settled(); ++i)
                execute(next.owner, next.first + i, current, lock);
        }
        end_thread();
    }
    void execute(const counted<local_job>& owner, std::uint64_t index, activity& current,
                 std::unique_lock<std::mutex>& lock) {
        current = {owner, index, {}};
        if (owner->limits().timeout != std::chrono::nanoseconds::zero()) {
            current.started = Deadline::clock::now();
            service_.notify_one();
        }
        lock.unlock();
        owner->execute(index);
        lock.lock();
        const bool given_up = !current.owner;
        current = {};
        if (!given_up && owner->settle(index) && owner->settled())
            finish(owner);
    }
    void initialize() noexcept {
        try {
            if (initializer_)
                initializer_();
        } catch (...) {
            const std::scoped_lock lock(lock_);
            broken_ = std::current_exception();
            reject_everything(broken_);
        }
    }
    void end_thread() noexcept {
        ++ended_;
        --library_threads();
        news_.notify_all();
        service_.notify_one();
    }

    void finish(const counted<local_job>& owner) {
        owner->release_inputs();
        if (owner->has_callback()) {
            calling_back_.push_back(owner);
            service_.notify_one();
        } else {
            owner->set_ready();
        }
        if (waiting_ != 0)
            news_.notify_all();
    }
    void reject_everything(const std::exception_ptr& error) noexcept {
        for (const task& queued : std::exchange(queue_, {}))
            reject_job(queued.owner, error);
        for (activity& current : running_)
            if (current.owner)
                reject_job(current.owner, error);
    }
    void reject_job(const counted<local_job>& owner, const std::exception_ptr& error) {
        if (owner->settled())
            return;
        owner->reject_rest(error);
        finish(owner);
    }

    // ---- the thread that runs callbacks and gives up on items that run too long

    void serve() noexcept {
        std::unique_lock lock(lock_);
        while (ended_ < running_.size() || !calling_back_.empty()) {
            if (!calling_back_.empty()) {
                call_back(lock);
                continue;  // without the lock much may have happened
            }
            const auto next = give_up_late_items();
            if (!calling_back_.empty())
                continue;
            if (next == Deadline::clock::time_point::max())
                service_.wait(lock);
            else
                service_.wait_until(lock, next);
        }
        end_thread();
    }
    bool call_back(std::unique_lock<std::mutex>& lock) {
        if (calling_back_.empty())
            return false;
        // One at a time: a callback that waits for another call runs the later ones itself.
        for (std::size_t left = calling_back_.size(); left != 0 && !calling_back_.empty(); --left) {
            const auto finished = std::move(calling_back_.front());
            calling_back_.pop_front();
            lock.unlock();
            finished->run_callback();
            lock.lock();
            finished->set_ready();
        }
        news_.notify_all();
        return true;
    }
    /// @returns when the next one is due
    Deadline::clock::time_point give_up_late_items() {
        auto next = Deadline::clock::time_point::max();
        const auto now = Deadline::clock::now();
        for (activity& current : running_) {
            if (!current.owner || current.started == Deadline::clock::time_point{})
                continue;
            const auto end = current.started + current.owner->limits().timeout;
            if (now < end) {
                next = std::min(next, end);
                continue;
            }
            const auto owner = std::exchange(current.owner, {});
            if (owner->settled())
                continue;
            owner->reject(current.index,
                          std::make_exception_ptr(TimeoutError(
                              "ThreadPool: an item ran longer than its timeout; its thread goes "
                              "on with it")));
            if (owner->settled())
                finish(owner);
        }
        return next;
    }

    std::function<void()> initializer_;
    unsigned made_in_ = os::fork_count();
    std::mutex lock_;  // guards everything below
    std::condition_variable has_work_, news_, service_;
    std::deque<task> queue_;
    std::vector<activity> running_;  // one for each thread that executes
    std::deque<counted<local_job>> calling_back_;
    std::size_t waiting_ = 0, ended_ = 0;
    bool closed_ = false;
    std::exception_ptr broken_;
    std::vector<std::thread> threads_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
