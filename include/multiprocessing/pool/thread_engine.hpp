// SPDX-License-Identifier: BSL-1.0
// A pool of threads as its jobs see it: a queue of chunks, the threads that execute them, and a
// clock that gives up on items which run too long.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
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
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/local_job.hpp>
#include <multiprocessing/pool/thread_activity.hpp>
#include <multiprocessing/process/identity.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @note Threads cannot be killed: cancel and timeout give up waiting, and the thread goes on with
/// what it does. The end of the engine waits for what its threads do. In a forked copy, which has
/// no such threads, nothing is touched: another thread may have held the lock.
class thread_engine final : public executor {
  public:
    /// Starts the threads. @throws std::system_error when they cannot be started; none is left then
    static std::shared_ptr<thread_engine> make(std::size_t threads,
                                               std::function<void()> initializer) {
        const std::shared_ptr<thread_engine> made(
            new thread_engine(threads, std::move(initializer)));
        const os::blocked_signals blocked;  // the application's signals go to its own threads
        // They keep the engine alive while they run: the last owner may go in a task or a callback.
        try {
            for (thread_activity& current : made->running_)
                made->start(blocked.application(), [made, &current] { made->work(current); });
            made->start(blocked.application(), [made] { made->serve(); });
        } catch (...) {
            made->dismiss();
            throw;
        }
        return made;
    }
    thread_engine(const thread_engine&) = delete;
    thread_engine& operator=(const thread_engine&) = delete;
    ~thread_engine() override = default;

    [[nodiscard]] std::size_t workers() const noexcept { return running_.size(); }

    void submit(std::span<counted<job>> work) override { take_over(work, false); }
    void submit_drawn(std::span<counted<job>> work) override { take_over(work, true); }
    void open_input() override {
        refuse_if_forked();
        const std::scoped_lock lock(lock_);
        check_before_locked(closed_);
        ++open_inputs_;
    }
    void close_input() noexcept override {
        if (forked())
            return;
        const std::scoped_lock lock(lock_);
        --open_inputs_;
        if (complete())
            has_work_.notify_all();
    }

    bool wait(const std::atomic<bool>& ready, Deadline deadline) override {
        if (ready.load(std::memory_order_acquire))
            return true;
        refuse_if_forked();
        std::unique_lock lock(lock_);
        return wait_until(lock, deadline, true,
                          [&] { return ready.load(std::memory_order_acquire); });
    }
    void look() override { refuse_if_forked(); }

    bool cancel(job& given) override {
        refuse_if_forked();
        const counted<local_job> owner(static_cast<local_job*>(&given));
        std::unique_lock lock(lock_);
        if (owner->settled())
            return false;
        owner->reject_rest(std::make_exception_ptr(CancelledError("the call was cancelled")));
        conclude(owner);
        release_inputs(owner, lock);
        return true;
    }
    /// If the items are the caller's, waits for those that run already.
    void abandon(job& dropped) noexcept override {
        if (forked())
            return;
        const counted<local_job> owner(static_cast<local_job*>(&dropped));
        std::unique_lock lock(lock_);
        owner->reject_rest(nullptr);
        if (owner->borrows())
            wait_until(lock, Deadline(), false, [&] { return !owner->executing(); });
        release_inputs(owner, lock);
    }

    /// @throws ValueError after close(), or what the initializer threw
    void check_running() {
        refuse_if_forked();
        const std::scoped_lock lock(lock_);
        check_before_locked(closed_);
    }
    /// No more calls; the threads end when everything submitted is done, and no input is open.
    void close() noexcept {
        if (forked())
            return;
        const std::scoped_lock lock(lock_);
        closed_ = true;
        has_work_.notify_all();
    }
    void terminate() noexcept {
        if (forked())
            return;
        std::unique_lock lock(lock_);
        closed_ = sealed_ = true;
        has_work_.notify_all();
        reject_everything(std::make_exception_ptr(CancelledError("the pool was terminated")), lock);
    }
    /// Waits until the threads have ended; nothing more is drawn from inputs that are open.
    /// @throws ValueError while it is running; KeyboardInterrupt
    void join() {
        refuse_if_forked();
        std::unique_lock lock(lock_);
        if (!closed_)
            throw ValueError("Pool is still running: close() or terminate() it before join()");
        if (called_from_own_thread())
            throw ValueError("Pool.join: a callback cannot wait for its own pool");
        sealed_ = true;
        has_work_.notify_all();
        while (ended_ != running_.size() + 1)
            wait_for_news(lock, wait_slice, true);
        std::vector<std::thread> ended = std::exchange(threads_, {});
        lock.unlock();
        for (std::thread& one : ended)
            one.join();
    }
    /// terminate and join; what the pool's destructor does.
    void dismiss() noexcept {
        // The handles of a forked copy are left alone, too: threads of its own may have the same.
        if (forked())
            return;
        terminate();
        const bool own = called_from_own_thread();  // which cannot wait for itself
        for (std::thread& one : threads_) {
            if (!one.joinable())
                continue;
            if (own)
                one.detach();
            else
                one.join();
        }
    }

  private:
    thread_engine(std::size_t threads, std::function<void()> initializer)
        : initializer_(std::move(initializer)), running_(threads) {}

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

    void check_before_locked(bool end) const {
        if (broken_)
            std::rethrow_exception(broken_);
        if (end)
            throw ValueError("Pool not running");
    }
    /// Whether nothing will be submitted any more.
    [[nodiscard]] bool complete() const noexcept {
        return closed_ && (sealed_ || open_inputs_ == 0);
    }
    /// Whether nothing will be queued any more: not the rest of a chunk either.
    [[nodiscard]] bool drained() const noexcept {
        return complete() && std::ranges::none_of(running_, &thread_activity::may_leave_items);
    }
    void take_over(std::span<counted<job>> work, bool drawn) {
        if (work.empty())
            return;
        refuse_if_forked();
        const std::scoped_lock lock(lock_);
        check_before_locked(drawn ? complete() : closed_);
        std::size_t chunks = 0;
        for (const counted<job>& one : work)
            chunks += chunks_of(one->limits());
        queue_.resize(queue_.size() + chunks);  // nothing throws from here on
        auto place = queue_.end() - static_cast<std::ptrdiff_t>(chunks);
        for (counted<job>& one : work) {
            const auto owned = std::move(one).as<local_job>();
            const job_limits& limits = owned->limits();
            if (owned->settled())
                announce(owned);  // of no items
            for (std::uint64_t first = 0; first < limits.items; first += limits.chunk)
                *place++ = {owned, first, std::min(limits.chunk, limits.items - first)};
        }
        has_work_.notify_all();
    }
    [[nodiscard]] static std::uint64_t chunks_of(const job_limits& limits) noexcept {
        return limits.items == 0 ? 0 : (limits.items - 1) / limits.chunk + 1;
    }
    [[nodiscard]] bool called_from_own_thread() const noexcept {
        return std::ranges::any_of(threads_, [](const std::thread& one) {
            return one.get_id() == std::this_thread::get_id();
        });
    }

    // ---- waiting

    /// @returns whether `done()` became true before the deadline
    /// @throws KeyboardInterrupt if it is interruptible
    template <class Done>
    bool wait_until(std::unique_lock<std::mutex>& lock, Deadline deadline, bool interruptible,
                    Done done) {
        while (!done()) {
            if (deadline.expired())
                return false;
            auto limit = deadline.remaining();
            const bool own = server_ == std::this_thread::get_id();
            // A callback waits for another call: meanwhile its thread goes on with its work.
            if (own && call_back(lock))
                continue;
            if (own || calling_) {
                const auto next = give_up_late_items();
                if (done() || (own && !calling_back_.empty()))
                    continue;
                limit = std::clamp<std::chrono::nanoseconds>(
                    next - Deadline::clock::now(), std::chrono::nanoseconds::zero(), limit);
            }
            wait_for_news(lock, limit, interruptible);
        }
        return true;
    }
    void wait_for_news(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds limit,
                       bool interruptible) {
        ++waiting_;
        news_.wait_for(lock, limit);
        --waiting_;
        if (interruptible && interrupt_pending.load(std::memory_order_relaxed)) {
            lock.unlock();
            check_interrupt();
            lock.lock();
        }
    }
    void tell_waiters() noexcept {
        if (waiting_ != 0)
            news_.notify_all();
    }
    /// Whoever gives up late items must look sooner, perhaps.
    void tell_of_limit() noexcept {
        service_.notify_one();
        if (calling_)
            tell_waiters();
    }

    // ---- the threads that execute

    void work(thread_activity& current) noexcept {
        initialize();
        chunk next;
        counted<local_job>
            past;  // dropped without the lock: with it, results may go that use the pool
        std::unique_lock lock(lock_);
        for (;;) {
            past = std::exchange(next, {}).owner;
            if (queue_.empty())
                drop(past, lock);
            has_work_.wait(lock, [this] { return !queue_.empty() || drained(); });
            if (queue_.empty())
                break;
            next = std::move(queue_.front());
            queue_.pop_front();
            for (bool mine = true; mine && next.count != 0 && !next.owner->settled();
                 ++next.first, --next.count)
                mine = execute(next, current, past, lock);
            release_inputs(next.owner, lock);
            drop(past, lock);
            if (closed_)
                has_work_.notify_all();  // others wait whether there is a rest for them
        }
        end_thread();
    }
    /// Executes the first item. @returns whether the others are still this thread's
    bool execute(const chunk& given, thread_activity& current, counted<local_job>& past,
                 std::unique_lock<std::mutex>& lock) {
        const counted<local_job>& owner = given.owner;
        current.begin(given);
        if (current.is_timed())
            tell_of_limit();
        owner->begin();
        lock.unlock();
        past = {};
        owner->execute(given.first);
        lock.lock();
        owner->end();
        const bool given_up = current.end();
        const bool completed = !given_up && owner->settle(given.first) && owner->settled();
        if (!owner->settled())
            return !given_up;
        release_inputs(owner, lock);
        if (completed)
            conclude(owner);
        else if (owner->borrows() && !owner->executing())
            announce(owner);  // it was settled while this item ran
        return !given_up;
    }
    static void drop(counted<local_job>& past, std::unique_lock<std::mutex>& lock) noexcept {
        if (!past)
            return;
        lock.unlock();
        past = {};
        lock.lock();
    }
    void initialize() noexcept {
        try {
            if (initializer_)
                initializer_();
        } catch (...) {
            std::unique_lock lock(lock_);
            broken_ = std::current_exception();
            reject_everything(broken_, lock);
        }
    }
    void end_thread() noexcept {
        ++ended_;
        --library_threads();
        news_.notify_all();
        service_.notify_one();
    }

    // ---- jobs that are settled

    /// Called once, when the job has just been settled. One that borrows its items is announced by
    /// the last thread that executes one.
    void conclude(const counted<local_job>& owner) noexcept {
        if (!owner->borrows() || !owner->executing())
            announce(owner);
    }
    void announce(const counted<local_job>& owner) noexcept {
        if (owner->has_callback()) {
            calling_back_.push(owner);
            service_.notify_one();
        } else {
            owner->set_ready();
        }
        tell_waiters();
    }
    /// Releases the inputs if nobody looks at them any more.
    static void release_inputs(const counted<local_job>& owner,
                               std::unique_lock<std::mutex>& lock) noexcept {
        if (!owner->claim_inputs())
            return;
        lock.unlock();
        owner->release_inputs();
        lock.lock();
    }
    /// Called when nothing can be submitted any more.
    void reject_everything(const std::exception_ptr& error,
                           std::unique_lock<std::mutex>& lock) noexcept {
        for (const chunk& queued : queue_)
            reject_job(queued.owner, error);
        for (thread_activity& current : running_)
            if (current.owner())
                reject_job(current.owner(), error);
        while (!queue_.empty()) {
            counted<local_job> owner = std::move(queue_.front().owner);
            queue_.pop_front();
            release_inputs(owner, lock);
            drop(owner, lock);
        }
    }
    void reject_job(const counted<local_job>& owner, const std::exception_ptr& error) {
        if (owner->settled())
            return;
        owner->reject_rest(error);
        conclude(owner);
    }

    // ---- the thread that runs callbacks and gives up on items that run too long

    void serve() noexcept {
        std::unique_lock lock(lock_);
        server_ = std::this_thread::get_id();
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
            counted<local_job> finished = calling_back_.pop();
            const bool nested = std::exchange(calling_, true);
            if (std::ranges::any_of(running_, &thread_activity::is_timed))
                tell_waiters();  // they have to look sooner now
            lock.unlock();
            finished->run_callback();
            lock.lock();
            calling_ = nested;
            finished->set_ready();
            tell_waiters();
            drop(finished, lock);
        }
        return true;
    }
    /// What is behind a late item in its chunk is queued again, before all else.
    /// @returns when the next one is due
    Deadline::clock::time_point give_up_late_items() {
        auto next = Deadline::clock::time_point::max();
        const auto now = Deadline::clock::now();
        for (thread_activity& current : running_) {
            if (now < current.due()) {
                next = std::min(next, current.due());
                continue;
            }
            const bool wanted = !current.owner()->settled();
            const chunk rest = current.give_up();
            if (wanted && rest.count != 0)
                queue_again(rest);
            if (wanted && rest.owner->settled())
                conclude(rest.owner);
        }
        return next;
    }
    void queue_again(chunk rest) noexcept {
        try {
            queue_.push_front(rest);
        } catch (...) {
            rest.owner->reject_rest(std::current_exception());
        }
        has_work_.notify_all();
    }

    std::function<void()> initializer_;
    std::mutex lock_;  // guards everything below
    std::condition_variable has_work_, news_, service_;
    std::deque<chunk> queue_;
    std::size_t open_inputs_ = 0;
    std::vector<thread_activity> running_;  // one for each thread that executes
    finished_jobs calling_back_;
    std::size_t waiting_ = 0, ended_ = 0;
    bool closed_ = false, sealed_ = false;  // no calls; nothing from open inputs either
    bool calling_ = false;                  // a callback runs: waiting threads give up late items
    std::exception_ptr broken_;
    std::vector<std::thread> threads_;
    std::thread::id server_;  // of the thread that runs callbacks
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
