// SPDX-License-Identifier: BSL-1.0
// A pool of worker processes as its jobs see it: submits them, waits for them, ends.
//
// One lock guards the scheduler. Whoever holds it pumps. A thread that submits pumps when a worker
// has too little to do; a thread that waits for a result pumps until it is there, so that a short
// task costs no wake-up in the parent; the pool's own thread does it when nobody else does, runs
// the callbacks, and reacts to deaths and deadlines.
//
// A message costs as much as many short calls. So while they come one right after the other, the
// pool's thread does not react to answers, but naps: those who submit look for answers anyhow, and
// a little work is held back until there is more, somebody waits, or the nap ends.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/os/spin.hpp>
#include <multiprocessing/os/wait_set.hpp>
#include <multiprocessing/pool/attention.hpp>
#include <multiprocessing/pool/call_rate.hpp>
#include <multiprocessing/pool/inbox_executor.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/scheduler.hpp>
#include <multiprocessing/process/identity.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @note Any thread of the process that made it. In a forked copy it does nothing.
class engine final : public inbox_executor, public std::enable_shared_from_this<engine> {
  public:
    /// Starts the workers. Under fork, forks the server from the calling thread.
    /// @throws std::system_error, ProcessError when they cannot be started; nothing is left then
    static std::shared_ptr<engine> make(const worker_plan& plan,
                                        std::unique_ptr<pool_setup> setup) {
        const std::shared_ptr<engine> made(new engine(plan, std::move(setup)));
        const os::blocked_signals blocked;  // the pool's thread takes none of the application's
        // It keeps the engine alive while it runs: the last owner may go in a callback.
        ++library_threads();
        try {
            made->thread_ = std::thread([made, mask = blocked.application()] {
                os::keep_application_mask(mask);
                made->run();
            });
        } catch (...) {
            --library_threads();
            throw;
        }
        made->own_thread_ = made->thread_.get_id();
        return made;
    }

    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    ~engine() override = default;

    [[nodiscard]] std::size_t workers() const noexcept { return workers_; }

    bool wait(const std::atomic<bool>& ready, Deadline deadline) override {
        if (ready.load(std::memory_order_acquire))
            return true;
        refuse_if_forked();
        if (spin_for(ready))
            return true;
        std::unique_lock lock(lock_);
        for (;;) {
            pump();
            if (is_own_thread())
                serve_nested(lock);
            if (ready.load(std::memory_order_acquire) || deadline.expired())
                break;
            if (is_own_thread())
                sleep(lock, deadline.remaining());
            else if (!attended_)
                attend(lock, ready, deadline);
            else
                wait_for_news(lock, deadline.remaining());
            throw_interrupt_without(lock);
        }
        if (!attended_ && waiting_ != 0)
            news_.notify_one();  // another waiting thread may attend
        unlock(lock);
        return ready.load(std::memory_order_acquire);
    }
    void look() override {
        refuse_if_forked();
        if (something_to_pump())
            pump_if_free();
    }

    bool cancel(job& given) override {
        refuse_if_forked();
        std::unique_lock lock(lock_);
        pump(pumping::lazily);  // what is held back is not sent for this
        const bool cancelled = scheduler_.cancel(static_cast<remote_job&>(given));
        pump();
        unlock(lock);
        return cancelled;
    }
    void abandon(job& dropped) noexcept override {
        if (forked())
            return;
        std::unique_lock lock(lock_);
        dropped.reject_rest(nullptr);
        dropped.release_inputs();
        unlock(lock);
    }

    /// No more calls; the workers end when everything submitted is done, and no input is open.
    void close() noexcept {
        if (forked())
            return;
        inbox_.close();
        attention_.ring_dispatcher();
    }
    /// Ends at once: calls that are not done fail with CancelledError, workers are killed.
    void terminate() noexcept {
        if (forked())
            return;
        inbox_.seal();
        terminating_.store(true, std::memory_order_release);
        attention_.ring_dispatcher();
        attention_.ring_waiter_if_asleep();
    }
    /// Waits until the pool has ended; nothing more is drawn from inputs that are open.
    /// @throws ValueError while it is running, KeyboardInterrupt
    void join() {
        refuse_if_forked();
        if (!inbox_.closed())
            throw ValueError("Pool is still running: close() or terminate() it before join()");
        if (is_own_thread())
            throw ValueError("Pool.join: a callback cannot wait for its own pool");
        inbox_.seal();
        attention_.ring_dispatcher();
        std::unique_lock lock(lock_);
        while (!scheduler_.ended()) {
            ending_.wait_for(lock, wait_slice);
            throw_interrupt_without(lock);
        }
        if (thread_.joinable()) {
            std::thread ended = std::move(thread_);
            lock.unlock();
            ended.join();
        }
    }
    /// terminate and join, whatever happens; what the pool's destructor does.
    void dismiss() noexcept {
        // In a forked copy, thread and workers are another process's. The handle is left alone, for
        // a thread of the copy may have the same; the engine that the thread owns stays, too.
        if (forked())
            return;
        terminate();
        if (!thread_.joinable())
            return;
        // A pool that is destroyed in a callback cannot wait for the thread that runs it.
        if (is_own_thread())
            thread_.detach();
        else
            thread_.join();
    }

  private:
    using clock = scheduler::clock;

    engine(const worker_plan& plan, std::unique_ptr<pool_setup> setup)
        : scheduler_(plan, std::move(setup), inbox_, attention_), workers_(plan.workers) {
        events_.add(attention_.dispatcher_bell());
        events_.add(scheduler_.events());
    }

    [[nodiscard]] bool is_own_thread() const noexcept {
        return std::this_thread::get_id() == own_thread_;
    }
    void throw_interrupt_without(std::unique_lock<std::mutex>& lock) {
        if (!interrupt_pending.load(std::memory_order_relaxed))
            return;
        unlock(lock);
        news_.notify_one();  // if this thread leaves, another one may attend
        check_interrupt();
        lock.lock();
    }

    void on_put() override {
        if (hungry_.load(std::memory_order_seq_cst) || attention_.has_news() ||
            inbox_.puts() >= pump_at_.load(std::memory_order_relaxed))
            pump_if_free(pumping::lazily);
    }
    void on_complete() noexcept override { attention_.ring_dispatcher(); }

    // ---- pumping

    /// While the pool's thread naps, who pumps lazily holds a little work back.
    enum class pumping { at_once, lazily };

    /// Moves everything that can move, and announces the jobs that are settled by that.
    void pump(pumping how = pumping::at_once) noexcept {
        const std::uint64_t missing = scheduler_.pump(napping_ && how == pumping::lazily);
        pump_at_.store(missing == 0 ? nothing_held_back : inbox_.puts() + missing,
                       std::memory_order_relaxed);
        announce();
        hungry_.store(scheduler_.hungry(), std::memory_order_release);
        wake_dispatcher_if_needed();
    }
    /// Reacts to deaths and deadlines, and announces the jobs that are settled by that.
    void supervise() noexcept {
        scheduler_.supervise();
        announce();
        hungry_.store(scheduler_.hungry(), std::memory_order_release);
    }
    /// Lets idle workers have what others sit on. @returns whether to look again soon
    bool balance() noexcept {
        const bool again = scheduler_.balance();
        announce();
        hungry_.store(scheduler_.hungry(), std::memory_order_release);
        return again;
    }
    void pump_if_free(pumping how = pumping::at_once) noexcept {
        for (;;) {
            std::atomic_thread_fence(std::memory_order_seq_cst);
            std::unique_lock lock(lock_, std::try_to_lock);
            if (!lock.owns_lock()) {
                // Its holder looks into the inbox when it unlocks, unless it is about to wait for a
                // thread that attends.
                if (waiting_.load(std::memory_order_relaxed) != 0)
                    attention_.ring_waiter_if_asleep();
                return;
            }
            pump(how);
            lock.unlock();
            if (!is_work_left())
                return;
        }
    }
    /// Releases the lock; what was submitted meanwhile is not left lying.
    void unlock(std::unique_lock<std::mutex>& lock) noexcept {
        lock.unlock();
        if (is_work_left())
            pump_if_free();
    }
    [[nodiscard]] bool something_to_pump() const noexcept {
        return attention_.has_news() ||
               pump_at_.load(std::memory_order_relaxed) != nothing_held_back ||
               (inbox_.filled() && hungry_.load(std::memory_order_relaxed));
    }
    [[nodiscard]] bool is_work_left() const noexcept {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return inbox_.filled() && hungry_.load(std::memory_order_relaxed);
    }

    /// Makes settled jobs ready; those with callbacks first have them run by the pool's own thread.
    void announce() noexcept {
        if (!scheduler_.has_done())
            return;
        scheduler_.take_done(announced_);
        for (job_ref& done : announced_) {
            done->release_inputs();
            if (done->has_callback())
                calling_back_.push_back(std::move(done));
            else
                make_ready(*done);
        }
        announced_.clear();
    }
    void make_ready(remote_job& done) noexcept {
        done.set_ready();
        attention_.ring_waiter_if_asleep();
        if (waiting_ != 0)
            news_.notify_all();
        if (sleeping_ && calling_)
            attention_.ring_dispatcher();
    }

    // ---- waiting

    /// Looks for the result for a short while: most short tasks are done by then.
    bool spin_for(const std::atomic<bool>& ready) noexcept {
        attention_.start_attending();
        const bool done = os::spin_until(
            [&] {
                if (something_to_pump())
                    pump_if_free();
                return ready.load(std::memory_order_acquire);
            },
            waiter_spin);
        stop_attending();
        return done;
    }
    void stop_attending() noexcept {
        if (!attention_.stop_attending())
            return;
        pump_if_free();
        if (attention_.has_news() && attention_.dispatcher_listens())
            attention_.ring_dispatcher();
    }

    /// Watches the workers' answers on behalf of all threads until the job is ready, or a slice;
    /// while the pool's thread runs a callback, deaths and deadlines, too.
    void attend(std::unique_lock<std::mutex>& lock, const std::atomic<bool>& ready,
                Deadline deadline) {
        attended_ = true;
        attention_.start_attending();
        const bool alone = calling_ && !sleeping_;
        if (alone)
            supervise_or_end();
        std::chrono::nanoseconds limit =
            balance() ? std::chrono::nanoseconds(supervisor::balance_interval) : wait_slice;
        if (alone)
            limit = until_next_look(std::min(limit, alone_slice));
        attention_.waiter_falls_asleep();
        bool quiet = false;
        if (!attention_.has_news() && !ready.load(std::memory_order_acquire)) {
            unlock(lock);
            limit = deadline.remaining(limit);
            const auto before = clock::now();
            quiet = !attention_.waiter_sleeps(limit);
            const auto slept = clock::now() - before;
            lock.lock();
            if (alone)
                excuse_if_stopped(slept, limit);
        }
        look_after(quiet);
        attention_.waiter_wakes();
        pump();
        attended_ = false;
        lock.unlock();
        stop_attending();
        lock.lock();
    }
    /// Another thread attends: it says when something happened.
    void wait_for_news(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds limit) {
        waiting_.fetch_add(1, std::memory_order_relaxed);
        if (!is_work_left())
            news_.wait_for(lock, limit);
        waiting_.fetch_sub(1, std::memory_order_relaxed);
    }

    // ---- the pool's own thread

    void run() noexcept {
        std::unique_lock lock(lock_);
        while (!step(lock)) {
        }
        lock.unlock();
        scheduler_.stop_server();
        lock.lock();
        scheduler_.end();
        hungry_.store(false, std::memory_order_relaxed);
        --library_threads();
        ending_.notify_all();
        news_.notify_all();
    }

    /// @returns true when the pool has ended
    bool step(std::unique_lock<std::mutex>& lock) noexcept {
        pump();
        supervise();
        if (call_back(lock))
            return false;
        if (terminating_.load(std::memory_order_acquire)) {
            scheduler_.reject_everything();
            announce();
            return !call_back(lock);
        }
        if (inbox_.complete() && scheduler_.finish_workers())
            return true;
        if (!stop_broken_server(lock))
            sleep(lock, wait_slice);
        return false;
    }
    bool stop_broken_server(std::unique_lock<std::mutex>& lock) noexcept {
        if (!scheduler_.broken() || server_stopped_)
            return false;
        server_stopped_ = true;
        lock.unlock();
        scheduler_.stop_server();
        lock.lock();
        return true;
    }
    /// A callback waits for another call: meanwhile the pool's thread goes on with its work.
    void serve_nested(std::unique_lock<std::mutex>& lock) noexcept {
        supervise_or_end();
        stop_broken_server(lock);
        if (call_back(lock))
            supervise_or_end();
    }
    void supervise_or_end() noexcept {
        supervise();
        if (terminating_.load(std::memory_order_acquire)) {
            scheduler_.reject_everything();
            announce();
        }
    }
    /// One callback at a time: one that waits for another call runs the later ones itself.
    bool call_back(std::unique_lock<std::mutex>& lock) noexcept {
        const bool any = !calling_back_.empty();
        while (!calling_back_.empty()) {
            const job_ref done = std::move(calling_back_.front());
            calling_back_.pop_front();
            const bool nested = std::exchange(calling_, true);
            if (scheduler_.next_look() != clock::time_point::max())
                attention_.ring_waiter_if_asleep();  // who attends has to look sooner now
            unlock(lock);
            done->run_callback();
            lock.lock();
            calling_ = nested;
            scheduler_.callback_done();
            make_ready(*done);
        }
        return any;
    }

    /// Whether the pool's own thread must see answers at once, also when nobody waits for them.
    [[nodiscard]] bool answers_matter() const noexcept {
        return scheduler_.has_pending() || scheduler_.open_callbacks() != 0 || inbox_.complete();
    }
    /// After another thread pumped while this one slept: there may be more for it to do than it
    /// knew.
    void wake_dispatcher_if_needed() noexcept {
        if (!sleeping_)
            return;
        if (napping_ && calling_back_.empty() && !scheduler_.broken())
            return;  // it looks at the end of the nap
        const bool late = scheduler_.shortest_limit() != std::chrono::nanoseconds::max() &&
                          scheduler_.shortest_limit() < wakes_at_ - clock::now();
        if (!attention_.dispatcher_listens() && answers_matter())
            attention_.dispatcher_falls_asleep(true);
        const bool work = idle_ && !scheduler_.all_done();  // that must be looked after
        if (late || work || scheduler_.blocked() || !calling_back_.empty() ||
            (scheduler_.broken() && !server_stopped_) ||
            (attention_.dispatcher_listens() && !attended_ && attention_.has_news()))
            attention_.ring_dispatcher();
    }

    /// @returns `limit`, or less if `supervise` has something to do before
    [[nodiscard]] std::chrono::nanoseconds until_next_look(
        std::chrono::nanoseconds limit) const noexcept {
        if (scheduler_.next_look() == clock::time_point::max())
            return limit;
        return std::clamp<std::chrono::nanoseconds>(scheduler_.next_look() - clock::now(),
                                                    std::chrono::nanoseconds::zero(), limit);
    }

    /// Until somebody rings, or there is something to look after.
    /// @param slice so long at most, unless the pool is idle
    void sleep(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds slice) noexcept {
        sleeping_ = true;
        napping_ = rate_.is_high(inbox_.puts(), clock::now()) && scheduler_.open_callbacks() == 0 &&
                   !inbox_.complete();
        const bool listening = answers_matter() && !napping_;
        attention_.dispatcher_falls_asleep(listening);
        const bool news = listening && !attended_ && attention_.has_news();
        if (!news && calling_back_.empty() && (napping_ || !is_work_left())) {
            // One slice more after the last work: else each of a row of short calls, which their
            // callers look after, would wake this thread.
            const bool used = std::exchange(seen_uses_, scheduler_.uses()) != scheduler_.uses();
            const bool busy = calling_ || inbox_.complete() || used || !scheduler_.all_done();
            idle_ = !busy && !napping_ && scheduler_.next_look() == clock::time_point::max();
            const auto limit =
                idle_ ? for_ever
                      : until_next_look(napping_ ? nap : std::min(slice, scheduler_.usual_limit()));
            wakes_at_ = idle_ ? clock::time_point::max() : clock::now() + limit;
            if (napping_)
                lock.unlock();  // what is submitted meanwhile may wait
            else
                unlock(lock);
            const auto before = clock::now();
            const bool rung = os::poll_readable(events_.fd(), limit);
            const auto slept = clock::now() - before;
            lock.lock();
            if (!idle_)
                excuse_if_stopped(slept, limit);
            if (busy)
                look_after(!rung && !napping_);
            idle_ = false;
        }
        napping_ = false;
        attention_.dispatcher_wakes();
        sleeping_ = false;
    }
    /// A wait that lasted much longer than asked for means that this process was stopped.
    void excuse_if_stopped(std::chrono::nanoseconds slept,
                           std::chrono::nanoseconds limit) noexcept {
        if (slept > limit + stop_threshold)
            scheduler_.excuse(slept - limit);
    }
    /// Looks at what nobody would notice otherwise: when nothing was rung for a while, or it is a
    /// while since somebody did.
    void look_after(bool quiet) noexcept {
        const auto now = clock::now();
        if (!quiet && now - looked_after_ < wait_slice)
            return;
        looked_after_ = now;
        scheduler_.look_after();
    }

    static constexpr std::chrono::nanoseconds for_ever{-1};
    static constexpr std::uint64_t nothing_held_back = ~std::uint64_t{0};
    // So long the pool's thread leaves answers to those who submit.
    static constexpr std::chrono::nanoseconds nap = std::chrono::microseconds(200);
    // How long a thread that waits looks for its result before it sleeps: about a round trip.
    static constexpr std::chrono::microseconds waiter_spin{20};
    // How often deaths are looked for by a thread that attends while a callback is busy.
    static constexpr std::chrono::nanoseconds alone_slice = std::chrono::milliseconds(10);
    static constexpr std::chrono::milliseconds stop_threshold{50};

    attention attention_;
    scheduler scheduler_;  // guarded by lock_
    std::size_t workers_;
    os::wait_set events_;
    std::atomic<bool> hungry_{true};  // some worker could take more than it has
    // A little work is held back until so many calls were submitted.
    std::atomic<std::uint64_t> pump_at_{nothing_held_back};
    std::atomic<bool> terminating_{false};

    std::mutex lock_;  // guards everything below, too
    std::condition_variable news_, ending_;
    std::vector<job_ref> announced_;  // of use inside announce() alone
    std::deque<job_ref> calling_back_;
    std::atomic<std::size_t> waiting_{0};  // threads that wait on news_
    bool attended_ = false;                // a waiting thread watches the answers
    bool sleeping_ = false;                // the pool's thread is about to poll, or polls
    bool napping_ = false;  // it polls for a moment: others submit, and look for answers
    bool idle_ = false;     // it polls without a limit: there was nothing to do
    call_rate rate_;
    clock::time_point looked_after_{};
    std::uint64_t seen_uses_ = 0;   // of the scheduler, when it slept last
    bool calling_ = false;          // it runs a callback
    clock::time_point wakes_at_{};  // of the pool's thread, if nobody rings
    bool server_stopped_ = false;
    std::thread thread_;
    std::thread::id own_thread_;  // also when a callback has detached it
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
