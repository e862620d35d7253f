// SPDX-License-Identifier: BSL-1.0
// A pool of worker processes as bytes see it: submits jobs, waits for them, ends.
//
// One lock guards dispatcher, collector and supervisor. Whoever holds it pumps: takes what was
// submitted, collects what workers answered, sends them more. A thread that submits pumps when a
// worker has too little to do; a thread that waits for a result pumps until it is there, so that a
// short task costs no wake-up in the parent; the pool's own thread does it when nobody else does,
// and reacts to deaths and deadlines. A worker that answered rings the bell of the one who sleeps:
// the waiting thread's, if one waits, else the pool's own thread's.
#pragma once

#include <array>
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
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/os/wait_set.hpp>
#include <multiprocessing/pool/collector.hpp>
#include <multiprocessing/pool/dispatcher.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/supervisor.hpp>
#include <multiprocessing/process/fork_server.hpp>
#include <multiprocessing/process/identity.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @note Any thread of the process that made it. In a forked copy it does nothing.
class engine final : public executor, public std::enable_shared_from_this<engine> {
  public:
    /// Starts the workers. Under fork, forks the server from the calling thread.
    /// @throws std::system_error, ProcessError when they cannot be started; nothing is left then
    static std::shared_ptr<engine> make(const worker_plan& plan,
                                        std::unique_ptr<pool_setup> setup) {
        const std::shared_ptr<engine> made(new engine(plan, std::move(setup)));
        const os::blocked_signals blocked;  // the pool's thread takes none of the application's
        // It keeps the engine alive while it runs: the last owner may go in a callback.
        made->thread_ = std::thread([made] { made->run(); });
        return made;
    }

    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    ~engine() override = default;

    [[nodiscard]] std::size_t workers() const noexcept { return workers_; }

    /// @throws ValueError after close(), or whatever made the pool unusable
    void check_running() const {
        if (broken_flag_.load(std::memory_order_acquire))
            std::rethrow_exception(broken_);
        if (closed_.load(std::memory_order_acquire))
            throw ValueError("Pool not running");
    }
    void submit(std::span<const counted<job>> work) override {
        if (work.empty())
            return;
        refuse_if_forked();
        {
            const std::scoped_lock lock(inbox_lock_);
            check_running();
            for (const counted<job>& one : work)
                inbox_.emplace_back(static_cast<remote_job*>(one.get()));
            inbox_filled_.store(true, std::memory_order_release);
        }
        if (hungry_.load(std::memory_order_acquire) || has_news())
            pump_if_free();
    }

    bool wait(const std::atomic<bool>& ready, Deadline deadline) override {
        if (ready.load(std::memory_order_acquire))
            return true;
        refuse_if_forked();
        if (spin_for(ready))
            return true;
        std::unique_lock lock(state_);
        while (!ready.load(std::memory_order_acquire)) {
            pump(lock);
            if (ready.load(std::memory_order_acquire))
                break;
            if (std::this_thread::get_id() == thread_.get_id())
                serve_nested(lock);
            if (ready.load(std::memory_order_acquire))
                break;
            if (deadline.expired()) {
                unlock(lock);
                return ready.load(std::memory_order_acquire);
            }
            if (attended_)
                wait_for_news(lock, deadline);
            else
                attend(lock, ready, deadline);
            if (interrupt_pending.load(std::memory_order_relaxed)) {
                unlock(lock);
                check_interrupt();
                lock.lock();
            }
        }
        unlock(lock);
        return true;
    }

    bool cancel(job& given) override {
        refuse_if_forked();
        auto& cancelled = static_cast<remote_job&>(given);
        std::unique_lock lock(state_);
        pump(lock);
        if (cancelled.settled()) {
            unlock(lock);
            return false;
        }
        const auto error = std::make_exception_ptr(CancelledError("the call was cancelled"));
        for (worker_slot& worker : supervisor_.workers()) {
            if (!has_part_of(worker, cancelled))
                continue;
            dispatcher_.push_front(worker.recall(bodies_));
            if (executes_part_of(worker, cancelled))
                supervisor_.condemn(worker, error);
        }
        const job_ref keep(&cancelled);
        cancelled.reject_rest(error);
        finish(keep);
        pump(lock);
        unlock(lock);
        return true;
    }

    void abandon(job& dropped) noexcept override {
        if (forked())
            return;
        std::unique_lock lock(state_);
        dropped.reject_rest(nullptr);
        dropped.release_inputs();
        unlock(lock);
    }

    /// No more calls; the workers end when everything submitted is done.
    void close() {
        std::unique_lock lock(state_);
        refuse_calls();
        dispatcher_bell_.set();
        unlock(lock);
    }

    /// Ends at once: calls that are not done fail with CancelledError, workers are killed.
    void terminate() noexcept {
        std::unique_lock lock(state_);
        refuse_calls();
        terminating_ = true;
        dispatcher_bell_.set();
        unlock(lock);
    }

    /// Waits until the pool has ended. @throws ValueError while it is running, KeyboardInterrupt
    void join() {
        refuse_if_forked();
        if (!closed_.load(std::memory_order_acquire))
            throw ValueError("Pool is still running: close() or terminate() it before join()");
        if (std::this_thread::get_id() == thread_.get_id())
            throw ValueError("Pool.join: a callback cannot wait for its own pool");
        std::unique_lock lock(state_);
        while (!ended_) {
            news_.wait_for(lock, wait_slice);
            if (interrupt_pending.load(std::memory_order_relaxed)) {
                lock.unlock();
                check_interrupt();
                lock.lock();
            }
        }
        if (thread_.joinable()) {
            std::thread ended = std::move(thread_);
            lock.unlock();
            ended.join();
        }
    }

    /// terminate and join, whatever happens; what the pool's destructor does.
    void dismiss() noexcept {
        if (forked()) {
            // The thread and the workers are another process's: only their handles are here.
            if (thread_.joinable())
                thread_.detach();
            return;
        }
        terminate();
        if (!thread_.joinable())
            return;
        if (std::this_thread::get_id() == thread_.get_id())
            thread_.detach();  // the pool is destroyed in a callback
        else
            thread_.join();
    }

  private:
    engine(const worker_plan& plan, std::unique_ptr<pool_setup> setup)
        : setup_(std::move(setup)),
          memory_(os::create_memory("multiprocessing pool", pool_control::task_arena)),
          control_map_(prepare(memory_.get()), 0, sizeof(pool_control)),
          bodies_(memory_.get(), pool_control::task_arena),
          dispatcher_(bodies_),
          collector_(dispatcher_.costs()),
          server_(plan.method, plan.method == StartMethod::fork ? setup_.get() : nullptr),
          supervisor_(with_setup(plan), server_, dispatcher_, collector_, bodies_,
                      {memory_.get(), waiter_bell_.fd(), dispatcher_bell_.fd()}),
          workers_(plan.workers) {
        events_.add(dispatcher_bell_.fd());
        events_.add(server_.descriptor());
        supervisor_.start_all();
    }

    static int prepare(int fd) {
        os::allocate(fd, 0, sizeof(pool_control));
        return fd;
    }
    worker_plan with_setup(worker_plan plan) const noexcept {
        plan.setup = setup_.get();
        return plan;
    }
    [[nodiscard]] pool_control& control() const noexcept {
        return *reinterpret_cast<pool_control*>(control_map_.data());
    }
    void refuse_if_forked() const {
        if (forked())
            throw ValueError("Pool not running: it belongs to the process that forked this one");
    }
    [[nodiscard]] bool forked() const noexcept { return made_in_ != os::fork_count(); }
    [[nodiscard]] bool has_news() const noexcept {
        return control().answers.load(std::memory_order_acquire) !=
               seen_answers_.load(std::memory_order_relaxed);
    }
    /// What was submitted before is in the inbox now; nothing is added to it later.
    void refuse_calls() noexcept {
        const std::scoped_lock lock(inbox_lock_);
        closed_.store(true, std::memory_order_release);
    }
    // ---- pumping

    /// Releases the lock; what was submitted meanwhile is not left lying.
    void unlock(std::unique_lock<std::mutex>& lock) noexcept {
        lock.unlock();
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (inbox_filled_.load(std::memory_order_relaxed) &&
            hungry_.load(std::memory_order_relaxed))
            pump_if_free();
    }
    void pump_if_free() noexcept {
        for (;;) {
            std::atomic_thread_fence(std::memory_order_seq_cst);
            std::unique_lock lock(state_, std::try_to_lock);
            if (!lock.owns_lock())
                return;  // its holder looks into the inbox when it unlocks
            pump(lock);
            lock.unlock();
            std::atomic_thread_fence(std::memory_order_seq_cst);
            if (!inbox_filled_.load(std::memory_order_relaxed) ||
                !hungry_.load(std::memory_order_relaxed))
                return;
        }
    }

    /// Moves everything that can move, once.
    void pump(std::unique_lock<std::mutex>&) noexcept {
        if (ended_)
            return;
        take_inbox();
        try {
            collect();
            dispatch();
            arm();
        } catch (...) {
            fail(std::current_exception());
        }
    }

    /// Whether the pool's own thread must see answers at once, also when nobody waits for them.
    [[nodiscard]] bool answers_matter() const noexcept {
        return !dispatcher_.empty() || open_callbacks_ != 0 ||
               closed_.load(std::memory_order_relaxed);
    }
    /// Has workers ring for the pool's own thread, which fell asleep when that was not needed.
    void arm() noexcept {
        if (!sleeping_ || armed_ || !answers_matter())
            return;
        armed_ = true;
        control().dispatcher_asleep.store(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (has_news())
            dispatcher_bell_.set();
    }

    void take_inbox() {
        if (!inbox_filled_.load(std::memory_order_acquire))
            return;
        {
            const std::scoped_lock lock(inbox_lock_);
            std::swap(inbox_, submitted_);
            inbox_filled_.store(false, std::memory_order_relaxed);
        }
        for (job_ref& work : submitted_) {
            if (work->settled()) {  // of no items
                finish(std::move(work));
                continue;
            }
            if (broken_ || terminating_) {
                work->reject_rest(broken_ ? broken_ : gone());
                finish(std::move(work));
                continue;
            }
            open_callbacks_ += work->has_callbacks() ? 1 : 0;
            timed_ = timed_ || work->limits().timeout != std::chrono::nanoseconds::zero();
            const std::uint64_t items = work->limits().items;
            dispatcher_.push_back({std::move(work), 0, items});
        }
        submitted_.clear();
        if (timed_ && sleeping_)
            dispatcher_bell_.set();  // it does not know of the deadlines yet
    }

    void collect() {
        if (!has_news())
            return;
        std::uint64_t seen = control().answers.load(std::memory_order_acquire);
        std::exception_ptr unfit;
        for (worker_slot& worker : supervisor_.workers()) {
            if (worker.link == nullptr)
                continue;
            try {
                while (const auto got = worker.link->receive())
                    settle(worker, *got, unfit);
            } catch (const UnpicklingError&) {
                supervisor_.condemn(worker, std::current_exception());
            }
            if (worker.link->has_answer())
                --seen;  // it was inside the queue: look again
        }
        seen_answers_.store(seen, std::memory_order_relaxed);
        if (unfit)
            std::rethrow_exception(unfit);
        finish_done();
    }
    void settle(worker_slot& worker, const answer& got, std::exception_ptr& unfit) {
        if (got.number == 0) {
            try {
                supervisor_.greet(worker, got);
            } catch (...) {  // no other worker would fare better
                unfit = std::current_exception();
            }
        } else {
            if (worker.flights.empty() || worker.flights.front().number != got.number)
                throw UnpicklingError("a worker answered a message that it was not sent");
            collector_.settle(worker.flights.front(), got, done_);
            supervisor_.finish_front(worker);
        }
        worker.link->release_answer();
    }

    void dispatch() {
        bool hungry = true;
        while (!dispatcher_.empty()) {
            worker_slot* const worker = next_worker();
            hungry = worker != nullptr;
            if (worker == nullptr)
                break;
            worker->last_used = ++uses_;
            const auto outcome = dispatcher_.send_next(*worker, workers_, done_);
            worker->inside = outcome == dispatcher::outcome::blocked;
            if (outcome == dispatcher::outcome::nothing)
                break;
        }
        for (worker_slot& worker : supervisor_.workers()) {
            blocked_ = blocked_ || worker.inside;
            worker.inside = false;
        }
        hungry_.store(hungry, std::memory_order_release);
        finish_done();
    }
    /// The worker with the least to do; among equals the one that is most likely awake.
    worker_slot* next_worker() noexcept {
        worker_slot* best = nullptr;
        for (worker_slot& worker : supervisor_.workers())
            if (dispatcher_.wants_more(worker) &&
                (best == nullptr || worker.flights.size() < best->flights.size() ||
                 (worker.flights.size() == best->flights.size() &&
                  worker.last_used > best->last_used)))
                best = &worker;
        return best;
    }

    void finish_done() {
        for (job_ref& finished : done_)
            finish(std::move(finished));
        done_.clear();
    }
    void finish(job_ref finished) {
        finished->release_inputs();
        if (finished->has_callbacks()) {
            open_callbacks_ -= std::min<std::size_t>(open_callbacks_, 1);
            calling_back_.push_back(std::move(finished));
            if (sleeping_)
                dispatcher_bell_.set();
            return;
        }
        make_ready(*finished);
    }
    void make_ready(remote_job& finished) noexcept {
        finished.set_ready();
        if (control().waiter_asleep.load(std::memory_order_relaxed) != 0)
            waiter_bell_.set();
        if (waiting_ != 0)
            news_.notify_all();
    }

    // ---- the end of everything

    static std::exception_ptr gone() {
        return std::make_exception_ptr(CancelledError("the pool was terminated"));
    }
    void reject_everything(const std::exception_ptr& error) {
        for (slice& part : dispatcher_.take_all())
            reject_job(part.owner, error);
        for (worker_slot& worker : supervisor_.workers())
            for (flight& sent : worker.flights)
                for (slice& part : sent.slices)
                    reject_job(part.owner, error);
        finish_done();
    }
    void reject_job(const job_ref& owner, const std::exception_ptr& error) {
        if (owner->settled())
            return;
        owner->reject_rest(error);
        done_.push_back(owner);
    }
    /// The pool is unusable from here on: all calls fail with the reason.
    void fail(std::exception_ptr reason) noexcept {
        if (broken_)
            return;
        {
            const std::scoped_lock lock(inbox_lock_);
            broken_ = std::move(reason);
            broken_flag_.store(true, std::memory_order_release);
        }
        finish_done();
        take_inbox();
        reject_everything(broken_);
        supervisor_.forget_all();
        supervisor_.stop_replacing();
        dispatcher_bell_.set();
    }

    // ---- waiting

    /// Looks for the result for a short while: most short tasks are done by then.
    bool spin_for(const std::atomic<bool>& ready) noexcept {
        control().attended.fetch_add(1, std::memory_order_relaxed);
        const bool done = os::spin_until(
            [&] {
                if (has_news())
                    pump_if_free();
                return ready.load(std::memory_order_acquire);
            },
            spin_);
        stop_attending();
        return done;
    }
    /// Those who answered while a thread attended did not ring for the pool's own thread.
    void stop_attending() noexcept {
        control().attended.fetch_sub(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (has_news())
            pump_if_free();
        if (has_news() && control().dispatcher_asleep.load(std::memory_order_relaxed) != 0)
            dispatcher_bell_.set();
    }

  public:
    void look() noexcept override {
        if (has_news())
            pump_if_free();
    }

  private:
    /// Watches the workers' answers on behalf of all threads until the job is ready, or a slice.
    void attend(std::unique_lock<std::mutex>& lock, const std::atomic<bool>& ready,
                Deadline deadline) {
        attended_ = true;
        control().attended.fetch_add(1, std::memory_order_relaxed);
        control().waiter_asleep.store(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (!has_news() && !ready.load(std::memory_order_acquire)) {
            const std::chrono::nanoseconds limit =
                unbalanced() ? std::chrono::nanoseconds(supervisor::balance_interval) : wait_slice;
            unlock(lock);
            const bool rung = os::poll_readable(waiter_bell_.fd(), deadline.remaining(limit));
            if (rung)
                waiter_bell_.clear();
            lock.lock();
            if (!rung)
                look_after();
        }
        control().waiter_asleep.store(0, std::memory_order_relaxed);
        pump(lock);
        attended_ = false;
        if (waiting_ != 0)
            news_.notify_one();
        lock.unlock();
        stop_attending();
        lock.lock();
    }
    [[nodiscard]] bool unbalanced() noexcept {
        return dispatcher_.empty() && supervisor_.balance(clock::now());
    }
    /// Another thread attends: it says when something happened.
    void wait_for_news(std::unique_lock<std::mutex>& lock, Deadline deadline) {
        ++waiting_;
        news_.wait_for(lock, deadline.remaining());
        --waiting_;
    }

    /// What nobody would notice otherwise: results in front of a long item, a sleeper not woken.
    void look_after() noexcept {
        try {
            supervisor_.harvest(done_);
            finish_done();
            for (worker_slot& worker : supervisor_.workers())
                if (worker.link != nullptr)
                    worker.link->remind();
        } catch (...) {
            fail(std::current_exception());
        }
    }

    static bool has_part_of(const worker_slot& worker, const remote_job& wanted) noexcept {
        for (const flight& sent : worker.flights)
            for (const slice& part : sent.slices)
                if (part.owner.get() == &wanted)
                    return true;
        return false;
    }
    /// After a recall: whether an item of the job was started and is not finished.
    static bool executes_part_of(const worker_slot& worker, const remote_job& wanted) {
        bool found = false;
        const auto active = worker.link->watch();
        for (const flight& sent : worker.flights) {
            const bool open = active.finished >> 32 == (sent.number & 0xffffffffU);
            sent.for_items(open ? active.finished & 0xffffffffU : 0, sent.items,
                           [&](const job_ref& owner, std::uint64_t, std::uint64_t) {
                               found = found || owner.get() == &wanted;
                           });
        }
        return found;
    }

    // ---- the pool's own thread

    using clock = std::chrono::steady_clock;

    void run() noexcept {
        ++library_threads();
        std::unique_lock lock(state_);
        while (!step(lock)) {
        }
        lock.unlock();
        server_.stop();
        lock.lock();
        supervisor_.forget_all();
        ended_ = true;
        hungry_.store(false, std::memory_order_relaxed);
        --library_threads();
        news_.notify_all();
    }

    /// @returns true when the pool has ended
    bool step(std::unique_lock<std::mutex>& lock) noexcept {
        pump(lock);
        supervise();
        if (call_back(lock))
            return false;
        if (terminating_) {
            take_inbox();
            reject_everything(broken_ ? broken_ : gone());
            return !call_back(lock);
        }
        if (closed_.load(std::memory_order_acquire) && all_done() && finish_workers())
            return true;
        if (broken_ && !server_stopped_) {
            server_stopped_ = true;
            lock.unlock();
            server_.stop();
            lock.lock();
            return false;
        }
        sleep(lock);
        return false;
    }

    void supervise() noexcept {
        if (broken_)
            return;
        try {
            const auto now = clock::now();
            supervisor_.handle_events(done_);
            finish_done();
            next_look_ = timed_ ? supervisor_.check_deadlines(now) : clock::time_point::max();
            supervisor_.retire_used_up();
            if (std::exchange(blocked_, false))
                next_look_ = std::min(next_look_, now + supervisor::balance_interval);
            if (unbalanced())
                next_look_ = std::min(next_look_, now + supervisor::balance_interval);
            dispatch();
        } catch (...) {
            fail(std::current_exception());
        }
    }

    /// A callback waits for another call: meanwhile the pool's thread goes on with its work.
    void serve_nested(std::unique_lock<std::mutex>& lock) noexcept {
        supervise();
        call_back(lock);
        if (terminating_) {
            reject_everything(broken_ ? broken_ : gone());
            call_back(lock);
        }
    }

    bool call_back(std::unique_lock<std::mutex>& lock) noexcept {
        if (calling_back_.empty())
            return false;
        // One at a time: a callback that waits for another call runs the later ones itself.
        for (std::size_t left = calling_back_.size(); left != 0 && !calling_back_.empty(); --left) {
            const job_ref finished = std::move(calling_back_.front());
            calling_back_.pop_front();
            unlock(lock);
            finished->run_callbacks();
            lock.lock();
            make_ready(*finished);
        }
        news_.notify_all();
        return true;
    }

    [[nodiscard]] bool all_done() noexcept {
        if (inbox_filled_.load(std::memory_order_acquire) || !dispatcher_.empty())
            return false;
        for (const worker_slot& worker : supervisor_.workers())
            if (!worker.flights.empty())
                return false;
        return true;
    }
    /// Lets the workers end by themselves. @returns true when they have
    bool finish_workers() noexcept {
        supervisor_.stop_replacing();
        for (worker_slot& worker : supervisor_.workers())
            supervisor_.retire(worker);
        return supervisor_.all_ended();
    }

    void sleep(std::unique_lock<std::mutex>& lock) noexcept {
        sleeping_ = true;
        armed_ = answers_matter();
        control().dispatcher_asleep.store(armed_ ? 1 : 0, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const bool busy = inbox_filled_.load(std::memory_order_relaxed) || !dispatcher_.empty() ||
                          !all_done() || closed_.load(std::memory_order_relaxed);
        if ((attended_ || !armed_ || !has_news()) && calling_back_.empty() &&
            !(inbox_filled_.load(std::memory_order_relaxed) && hungry_.load())) {
            const auto before = clock::now();
            auto limit = busy ? std::chrono::nanoseconds(wait_slice) : std::chrono::nanoseconds(-1);
            if (next_look_ != clock::time_point::max())
                limit = std::clamp<std::chrono::nanoseconds>(
                    next_look_ - before, std::chrono::nanoseconds::zero(), wait_slice);
            unlock(lock);
            const bool rung = os::poll_readable(events_.fd(), limit);
            lock.lock();
            const auto slept = clock::now() - before;
            if (limit >= std::chrono::nanoseconds::zero() && slept > limit + stop_threshold)
                supervisor_.excuse(slept - limit);
            if (!rung && busy)
                look_after();
        }
        dispatcher_bell_.clear();
        control().dispatcher_asleep.store(0, std::memory_order_relaxed);
        sleeping_ = false;
    }

    // A wait that lasted so much longer than asked for means that the process was stopped.
    static constexpr std::chrono::milliseconds stop_threshold{50};

    std::unique_ptr<pool_setup> setup_;
    unsigned made_in_ = os::fork_count();
    os::descriptor memory_;
    os::memory_map control_map_;
    os::event waiter_bell_, dispatcher_bell_;
    arena bodies_;
    dispatcher dispatcher_;
    collector collector_;
    fork_server server_;
    supervisor supervisor_;
    std::size_t workers_;
    os::wait_set events_;

    std::mutex inbox_lock_;
    std::vector<job_ref> inbox_;  // guarded by inbox_lock_
    std::atomic<bool> inbox_filled_{false};
    std::atomic<bool> hungry_{true};  // some worker could take more than it has
    std::atomic<bool> closed_{false}, broken_flag_{false};
    std::exception_ptr broken_;  // written under both locks

    std::mutex state_;  // guards everything below and the parts above
    std::condition_variable news_;
    std::vector<job_ref> submitted_, done_;
    std::deque<job_ref> calling_back_;
    std::uint64_t uses_ = 0;
    std::atomic<std::uint64_t> seen_answers_{0};
    std::size_t waiting_ = 0;         // threads that wait on news_ for a job
    bool attended_ = false;           // a waiting thread watches the answers
    std::size_t open_callbacks_ = 0;  // jobs with callbacks that are not settled
    bool blocked_ = false;            // a worker could not be sent what it should get
    bool armed_ = false;              // workers ring for the pool's thread
    bool sleeping_ = false;           // the pool's thread is about to poll, or polls
    bool timed_ = false, terminating_ = false, server_stopped_ = false, ended_ = false;
    clock::time_point next_look_ = clock::time_point::max();
    std::chrono::microseconds spin_{20};
    std::thread thread_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
