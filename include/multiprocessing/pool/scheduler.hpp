// SPDX-License-Identifier: BSL-1.0
// What a pool does with its jobs, one step at a time: takes in what was submitted, collects what
// was answered, sends more, reacts to deaths and deadlines. Knows no threads and no locks.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/pool/attention.hpp>
#include <multiprocessing/pool/collector.hpp>
#include <multiprocessing/pool/dispatcher.hpp>
#include <multiprocessing/pool/inbox.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/supervisor.hpp>
#include <multiprocessing/process/fork_server.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @note One thread at a time. Nothing throws but the constructor: what goes wrong breaks the pool,
/// and all its jobs are settled with the reason. Jobs that are settled wait in `take_done`.
class scheduler {
  public:
    using clock = supervisor::clock;

    /// Starts the workers. Under fork, forks the server from the calling thread.
    scheduler(const worker_plan& plan, std::unique_ptr<pool_setup> setup, inbox& submitted,
              attention& answers)
        : setup_(std::move(setup)),
          inbox_(&submitted),
          attention_(&answers),
          bodies_(answers.memory(), pool_control::task_arena),
          dispatcher_(bodies_),
          collector_(dispatcher_.costs()),
          server_(plan.method, plan.method == StartMethod::fork ? setup_.get() : nullptr),
          supervisor_(with_setup(plan), server_, dispatcher_, collector_, bodies_,
                      {answers.memory(), answers.waiter_bell(), answers.dispatcher_bell()}) {
        supervisor_.start_all();
    }

    /// Readable when a worker started or ended.
    [[nodiscard]] int events() const noexcept { return server_.descriptor(); }

    /// Moves everything that can move, once.
    /// @param lazy whether a little work may stay here: more is expected, and a message costs more
    /// than many short calls
    /// @returns after so many more calls it is to be called again; 0 when nothing stayed for that
    /// reason
    std::uint64_t pump(bool lazy = false) noexcept {
        std::uint64_t missing = 0;
        if (ended_)
            return missing;
        take_inbox();
        guard([&] {
            collect();
            if (lazy)
                missing = dispatcher_.missing();
            if (missing == 0)
                dispatch();
            else
                hungry_ = false;
        });
        return missing;
    }

    /// Reacts to deaths and deadlines, and takes work from workers that sit on it.
    void supervise() noexcept {
        if (broken_)
            return;
        guard([this] {
            const auto now = clock::now();
            supervisor_.handle_events(done_);
            next_look_ = supervisor_.start_missing(now);
            usual_limit_ = std::max<std::chrono::nanoseconds>(
                std::exchange(shortest_limit_, std::chrono::nanoseconds::max()),
                supervisor::shortest_look);
            if (timed_)
                next_look_ = std::min(next_look_, supervisor_.check_deadlines(now));
            supervisor_.retire_used_up();
            if (std::exchange(blocked_, false) || supervisor_.balance(now))
                next_look_ = std::min(next_look_, now + supervisor::balance_interval);
            dispatch();
            if (shortest_limit_ != std::chrono::nanoseconds::max())
                next_look_ = std::min(next_look_, now + shortest_limit_);
        });
    }

    /// What nobody would notice otherwise: results in front of a long item, a sleeper not woken.
    void look_after() noexcept {
        guard([this] {
            supervisor_.harvest(done_);
            for (worker_slot& worker : supervisor_.workers())
                if (worker.link != nullptr)
                    worker.link->remind();
        });
    }

    /// Takes work from workers that sit on it, and gives it to those that are idle.
    /// @returns whether to look again soon
    [[nodiscard]] bool balance() noexcept {
        bool again = false;
        guard([&] {
            again = supervisor_.balance(clock::now());
            dispatch();
        });
        return again;
    }
    /// The process was stopped for so long, which does not count towards deadlines.
    void excuse(std::chrono::nanoseconds stopped) noexcept { supervisor_.excuse(stopped); }

    /// @returns false when the job was settled already
    bool cancel(remote_job& cancelled) noexcept {
        if (cancelled.settled())
            return false;
        const auto error = std::make_exception_ptr(CancelledError("the call was cancelled"));
        guard([&] {
            for (worker_slot& worker : supervisor_.workers()) {
                if (!worker.has_part_of(cancelled))
                    continue;
                supervisor_.recall(worker);
                if (worker.executes_part_of(cancelled))
                    supervisor_.condemn(worker, error);
            }
            supervisor_.retire_used_up();
        });
        reject_job(job_ref(&cancelled), error);
        return true;
    }

    /// Settles everything that is not: the pool ends.
    void reject_everything() noexcept {
        terminating_ = true;
        take_inbox();
        const auto error = reason();
        for (const slice& part : dispatcher_.take_all())
            reject_job(part.owner, error);
        for (const slice& part : dispatcher_.packed().slices)
            reject_job(part.owner, error);
        for (worker_slot& worker : supervisor_.workers())
            for (flight& sent : worker.flights)
                for (slice& part : sent.slices)
                    reject_job(part.owner, error);
    }
    /// Lets the workers end by themselves when nothing is left to do. @returns true when they have
    bool finish_workers() noexcept {
        if (!all_done())
            return false;
        supervisor_.stop_replacing();
        for (worker_slot& worker : supervisor_.workers())
            supervisor_.retire(worker);
        return supervisor_.all_ended();
    }
    /// Ends server and workers, if need be by force. Takes up to seconds when they are stopped;
    /// touches nothing that the other functions use, so that they may be called meanwhile.
    void stop_server() noexcept { server_.stop(); }
    void end() noexcept {
        supervisor_.forget_all();
        ended_ = true;
    }

    /// Moves the jobs that were settled since to `taken`, which is empty.
    void take_done(std::vector<job_ref>& taken) noexcept { std::swap(done_, taken); }
    [[nodiscard]] bool has_done() const noexcept { return !done_.empty(); }

    /// Whether some worker could take more than there is.
    [[nodiscard]] bool hungry() const noexcept { return hungry_; }
    [[nodiscard]] bool has_pending() const noexcept { return !dispatcher_.empty(); }
    /// Whether `supervise` must try again soon to send something.
    [[nodiscard]] bool blocked() const noexcept { return blocked_; }
    /// Counts the messages that were sent to workers.
    [[nodiscard]] std::uint64_t uses() const noexcept { return uses_; }
    [[nodiscard]] bool broken() const noexcept { return broken_ != nullptr; }
    [[nodiscard]] bool ended() const noexcept { return ended_; }
    /// Of the time limits of what was sent since `supervise` looked at them.
    [[nodiscard]] std::chrono::nanoseconds shortest_limit() const noexcept {
        return shortest_limit_;
    }
    /// The same of what was sent before: calls with such limits may go on coming.
    [[nodiscard]] std::chrono::nanoseconds usual_limit() const noexcept { return usual_limit_; }
    /// When `supervise` has something to do although nothing happens.
    [[nodiscard]] clock::time_point next_look() const noexcept { return next_look_; }
    [[nodiscard]] bool all_done() const noexcept {
        return !inbox_->filled() && dispatcher_.empty() && supervisor_.all_idle();
    }
    [[nodiscard]] std::size_t open_callbacks() const noexcept { return open_callbacks_; }
    void callback_done() noexcept { open_callbacks_ -= open_callbacks_ != 0 ? 1 : 0; }

  private:
    worker_plan with_setup(worker_plan plan) const noexcept {
        plan.setup = setup_.get();
        return plan;
    }
    template <class Step>
    void guard(Step step) noexcept {
        try {
            step();
        } catch (...) {
            fail(std::current_exception());
        }
    }
    [[nodiscard]] std::exception_ptr reason() const {
        return broken_ ? broken_
                       : std::make_exception_ptr(CancelledError("the pool was terminated"));
    }
    /// The pool is unusable from here on.
    void fail(std::exception_ptr why) noexcept {
        if (broken_)
            return;
        broken_ = std::move(why);
        inbox_->break_with(broken_);
        reject_everything();
        supervisor_.forget_all();
        supervisor_.stop_replacing();
        blocked_ = false;
        shortest_limit_ = usual_limit_ = std::chrono::nanoseconds::max();
        next_look_ = clock::time_point::max();
    }

    void take_inbox() noexcept {
        inbox_->take(submitted_);
        for (job_ref& work : submitted_) {
            open_callbacks_ += work->has_callback() ? 1 : 0;
            if (work->settled()) {  // of no items
                done_.push_back(std::move(work));
            } else if (broken_ || terminating_) {
                reject_job(work, reason());
            } else {
                timed_ = timed_ || work->limits().timeout != std::chrono::nanoseconds::zero();
                const std::uint64_t items = work->limits().items;
                dispatcher_.push_back({std::move(work), 0, items});
            }
        }
        submitted_.clear();
    }
    void reject_job(const job_ref& owner, const std::exception_ptr& error) {
        if (owner->settled())
            return;
        owner->reject_rest(error);
        done_.push_back(owner);
    }

    void collect() {
        if (!attention_->has_news())
            return;
        // An answer stays unread when its worker is inside the queue with the next one, which is
        // counted after this: no need to look again before, and a stopped worker would be looked at
        // for ever.
        const std::uint64_t seen = attention_->answers();
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
        }
        attention_->saw(seen);
        if (unfit)
            std::rethrow_exception(unfit);
    }
    void settle(worker_slot& worker, const answer& got, std::exception_ptr& unfit) {
        if (got.number == 0 && !worker.ready) {
            try {
                supervisor_.greet(worker, got);
            } catch (...) {  // no other worker would fare better
                unfit = std::current_exception();
            }
        } else {
            if (worker.flights.empty() || worker.flights.front().number != got.number)
                throw UnpicklingError("a worker answered a message that it was not sent");
            if (got.items != worker.flights.front().items)
                throw UnpicklingError("a worker answered other items than it was sent");
            collector_.settle(worker.flights.front(), got, done_);
            supervisor_.finish_front(worker);
            if (worker.chunks_left == 0 && worker.flights.empty()) {
                supervisor_.retire(worker);  // now: nobody may come to supervise for long
                blocked_ = blocked_ || !worker.retiring;
            }
        }
        worker.link->release_answer();
    }

    void dispatch() {
        hungry_ = true;
        while (!dispatcher_.empty()) {
            worker_slot* const worker = next_worker();
            hungry_ = worker != nullptr;
            if (worker == nullptr)
                break;
            worker->last_used = ++uses_;
            const auto outcome =
                dispatcher_.send_next(*worker, supervisor_.workers().size(), done_);
            worker->inside = outcome == dispatcher::outcome::blocked;
            if (timed_ && outcome == dispatcher::outcome::sent)
                shortest_limit_ =
                    std::min(shortest_limit_, worker->flights.back().shortest_limit());
            if (outcome == dispatcher::outcome::nothing)
                break;
        }
        for (worker_slot& worker : supervisor_.workers()) {
            blocked_ = blocked_ || worker.inside;
            worker.inside = false;
        }
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

    std::unique_ptr<pool_setup> setup_;
    inbox* inbox_;
    attention* attention_;
    arena bodies_;
    dispatcher dispatcher_;
    collector collector_;
    fork_server server_;
    supervisor supervisor_;
    std::vector<job_ref> submitted_, done_;
    std::exception_ptr broken_;
    std::uint64_t uses_ = 0;
    std::size_t open_callbacks_ = 0;  // jobs with callbacks that did not run
    clock::time_point next_look_ = clock::time_point::max();
    std::chrono::nanoseconds shortest_limit_ = std::chrono::nanoseconds::max();
    std::chrono::nanoseconds usual_limit_ = std::chrono::nanoseconds::max();
    bool hungry_ = true, timed_ = false, terminating_ = false, ended_ = false;
    bool blocked_ = false;  // a worker could not be sent what it should get
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
