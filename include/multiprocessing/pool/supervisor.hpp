// SPDX-License-Identifier: BSL-1.0
// Keeps a pool's workers alive: starts them, replaces those that end, and sees to it that every
// item a dead worker held is settled or run again.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/pool/collector.hpp>
#include <multiprocessing/pool/dispatcher.hpp>
#include <multiprocessing/pool/worker.hpp>
#include <multiprocessing/pool/worker_slot.hpp>
#include <multiprocessing/process/fork_server.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What all workers of a pool are started with.
struct worker_plan {
    std::size_t workers = 1;
    StartMethod method = StartMethod::fork;
    std::uint64_t chunks_per_worker = dispatcher::unlimited_chunks;  // maxtasksperchild
    pool_setup* setup = nullptr;
};

/// @note Called under the engine's lock.
class supervisor {
  public:
    using clock = std::chrono::steady_clock;

    // How long idle workers wait before work that a busy one has not started is taken from it; if
    // it needs less time for that, it may keep it.
    static constexpr std::chrono::microseconds balance_interval{500};
    // Time limits that are shorter are looked after so often.
    static constexpr std::chrono::milliseconds shortest_look{1};
    // A worker that cannot be replaced for want of descriptors, memory or processes: how long until
    // that is tried again, and for how long a pool without any worker may hope.
    static constexpr std::chrono::milliseconds start_interval{50};
    static constexpr std::chrono::seconds start_patience{2};

    supervisor(const worker_plan& plan, fork_server& server, dispatcher& work, collector& results,
               arena& bodies, std::array<int, 3> shared_descriptors)
        : plan_(plan),
          server_(&server),
          dispatcher_(&work),
          collector_(&results),
          bodies_(&bodies),
          shared_descriptors_(shared_descriptors),
          workers_(plan.workers) {}

    [[nodiscard]] std::vector<worker_slot>& workers() noexcept { return workers_; }

    void start_all() {
        for (worker_slot& worker : workers_)
            start(worker);
    }

    /// Reacts to what the fork server reports. Jobs that this completes are appended to `done`.
    /// @throws ProcessError when the server died, or whatever made the pool unusable
    void handle_events(std::vector<job_ref>& done) {
        while (const auto event = server_->next_event()) {
            worker_slot* const worker = find(event->id);
            if (worker == nullptr)
                continue;
            switch (event->what) {
                case child_event::kind::started:
                    worker->pid = event->pid;
                    break;
                case child_event::kind::ended:
                    worker->pid = event->pid != 0 ? event->pid : worker->pid;
                    bury(*worker, event->exitcode, done);
                    break;
                case child_event::kind::failed:
                    recall(*worker);
                    *worker = worker_slot{};
                    cannot_start(std::make_exception_ptr(
                        std::system_error(event->error, std::system_category(),
                                          "the pool cannot start a worker: fork")));
                    break;
            }
        }
    }

    /// Starts the workers that could not be replaced when their predecessors ended.
    /// @returns when to try again
    /// @throws std::system_error when there has been no worker at all for too long
    clock::time_point start_missing(clock::time_point now) {
        if (next_start_ == clock::time_point::max() || now < next_start_)
            return next_start_;
        if (all_ended() && now - failing_since_ > start_patience)
            std::rethrow_exception(start_failure_);
        next_start_ = clock::time_point::max();
        for (worker_slot& worker : workers_)
            if (worker.link == nullptr && replacing_)
                try_start(worker);
        return next_start_;
    }

    /// A worker's first answer: it is ready, or its initializer failed.
    /// @throws the initializer's exception
    void greet(worker_slot& worker, const answer& greeting) {
        if (greeting.items != 0) {
            input_cursor cursor(greeting.records);
            const auto word = cursor.read_value<std::uint64_t>();
            input_cursor bytes({cursor.take(word >> 2), word >> 2});
            std::rethrow_exception(load_exception(bytes));
        }
        worker.ready = true;
        failed_starts_ = 0;
        start_failure_ = nullptr;
    }

    /// Kills a worker because of what it runs; everything it has not started goes elsewhere.
    void condemn(worker_slot& worker, std::exception_ptr error) {
        if (worker.condemned || worker.link == nullptr)
            return;
        recall(worker);
        worker.condemned = std::move(error);
        server_->signal(worker.id, SIGKILL);
    }
    /// Takes back everything that the worker has not started. From here on it starts nothing more
    /// until it has answered.
    void recall(worker_slot& worker) { dispatcher_->push_front(worker.recall(*bodies_)); }

    /// Retires workers that have done their share of tasks.
    void retire_used_up() {
        for (worker_slot& worker : workers_)
            if (worker.chunks_left == 0 && worker.flights.empty())
                retire(worker);
    }
    /// Tells a worker to end when it has done what it was sent.
    void retire(worker_slot& worker) {
        if (worker.link == nullptr || worker.retiring)
            return;
        task_header farewell;
        worker.retiring = worker.link->try_send(std::as_bytes(std::span(&farewell, 1)));
    }

    /// Condemns workers whose item has run past its limit.
    /// @returns when to look again
    clock::time_point check_deadlines(clock::time_point now) {
        auto next = clock::time_point::max();
        for (worker_slot& worker : workers_) {
            if (worker.flights.empty() || worker.condemned)
                continue;
            auto shortest = std::chrono::nanoseconds::max();
            for (const flight& sent : worker.flights)
                shortest = std::min(shortest, sent.shortest_limit());
            if (shortest == std::chrono::nanoseconds::max())
                continue;
            // one that is queued may begin at once
            next =
                std::min(next, now + std::max<std::chrono::nanoseconds>(shortest, shortest_look));
            const auto active = worker.link->watch();
            const bool runs = active.busy() && active.started_at != 0;
            const auto limit =
                runs ? timeout_of(worker, active.running) : std::chrono::nanoseconds::zero();
            if (limit == std::chrono::nanoseconds::zero())
                continue;
            if (worker.excused_item != active.running)
                worker.excused = std::chrono::nanoseconds::zero();
            worker.excused_item = active.running;
            const clock::time_point end =
                clock::time_point(std::chrono::nanoseconds(active.started_at)) + limit +
                worker.excused;
            if (now < end) {
                next = std::min(next, end);
                continue;
            }
            recall(worker);
            // Did it end just now? Then the next one, which began meanwhile, is innocent.
            const auto still = worker.link->watch();
            if (still.busy() && still.running == active.running)
                condemn(worker, std::make_exception_ptr(
                                    TimeoutError("Pool: an item ran longer than its timeout of " +
                                                 std::to_string(limit.count() / 1'000'000) +
                                                 " ms; its worker was killed")));
            else
                next = now;
        }
        return next;
    }
    /// The pool was stopped for so long (Ctrl-Z, a debugger): that does not count.
    void excuse(std::chrono::nanoseconds stopped) noexcept {
        for (worker_slot& worker : workers_) {
            if (worker.link == nullptr)
                continue;
            const std::uint64_t running = worker.link->watch().running;
            if (worker.excused_item != running)  // begun since the last look
                worker.excused = std::chrono::nanoseconds::zero();
            worker.excused_item = running;
            worker.excused += stopped;
        }
    }

    /// Settles what workers have finished of messages whose later items keep them busy.
    void harvest(std::vector<job_ref>& done) {
        for (worker_slot& worker : workers_) {
            if (worker.flights.empty() || worker.flights.front().items < 2)
                continue;
            flight& open = worker.flights.front();
            try {
                if (const auto got = worker.link->staged(open.number, open.settled, copy_))
                    collector_->settle(open, *got, done);
            } catch (const UnpicklingError&) {
                condemn(worker, std::current_exception());
            }
        }
    }

    /// Takes work back from workers that will not come to it soon while others are idle.
    /// @returns whether some worker must be looked at again soon
    bool balance(clock::time_point now) {
        const bool idle = std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
            return worker.ready && worker.flights.empty() && worker.accepts_message();
        });
        if (!idle || !dispatcher_->empty())
            return false;
        bool again = false;
        for (worker_slot& worker : workers_) {
            if (worker.flights.empty() || worker.stalled || worker.condemned)
                continue;
            const auto position = worker.link->look(worker.oldest());
            const std::uint64_t waiting = worker.items_behind(position);
            if (waiting == 0)
                continue;
            if (!worker.watched || worker.watched->number != position.number) {
                worker.watched = position;
                worker.watched_at = now;
            }
            const std::chrono::nanoseconds elapsed = now - worker.watched_at;
            const auto item =
                elapsed / std::max<std::uint64_t>(1, position.items - worker.watched->items);
            if (elapsed < balance_interval || item * waiting < balance_interval) {
                again = true;
                continue;
            }
            learn(worker, position, item);
            recall(worker);
            worker.stalled = !worker.flights.empty();  // else it had not even begun
        }
        return again;
    }

    /// Frees what belongs to answered messages.
    void finish_front(worker_slot& worker) {
        if (worker.flights.front().body)
            bodies_->release(worker.flights.front().body);
        worker.flights.pop_front();
        worker.stalled = false;
        worker.watched.reset();
    }

    /// No worker is replaced from here on.
    void stop_replacing() noexcept { replacing_ = false; }
    [[nodiscard]] bool all_ended() const noexcept {
        return std::all_of(workers_.begin(), workers_.end(),
                           [](const auto& worker) { return worker.link == nullptr; });
    }
    [[nodiscard]] bool all_idle() const noexcept {
        return std::all_of(workers_.begin(), workers_.end(),
                           [](const auto& worker) { return worker.flights.empty(); });
    }
    /// Forgets all workers and what they were sent; they are dead, or somebody else's.
    void forget_all() noexcept {
        for (worker_slot& worker : workers_)
            worker = worker_slot{};
    }

  private:
    worker_slot* find(std::uint64_t id) noexcept {
        for (worker_slot& worker : workers_)
            if (worker.id == id && worker.link != nullptr)
                return &worker;
        return nullptr;
    }

    void start(worker_slot& worker) {
        worker = worker_slot{};
        worker.link = std::make_unique<worker_link>();
        worker.id = ++last_id_;
        worker.chunks_left = plan_.chunks_per_worker;
        const std::array<int, 5> descriptors{worker.link->channel(), worker.link->bell(),
                                             shared_descriptors_[0], shared_descriptors_[1],
                                             shared_descriptors_[2]};
        server_->start(worker.id, name_of(worker.id), &pool_worker, plan_.setup->pickled,
                       descriptors);
    }
    [[nodiscard]] std::string name_of(std::uint64_t id) const {
        static constexpr std::array names{"ForkPoolWorker-", "SpawnPoolWorker-",
                                          "ForkServerPoolWorker-"};
        return names[static_cast<std::size_t>(plan_.method)] + std::to_string(id);
    }

    /// Settles or takes back everything a dead worker held, and puts a new one in its place.
    void bury(worker_slot& worker, int exitcode, std::vector<job_ref>& done) {
        const bool has_answered = collect_staged(worker, done);  // always: it settles
        const bool was_ready = worker.ready || has_answered;
        const auto position = worker.link->look(worker.oldest());
        const auto active = worker.link->watch();
        std::vector<slice> back;
        if (!worker.flights.empty()) {
            // Unstarted items first: afterwards flights hold nothing but started ones.
            const bool is_open = worker.flights.front().number <= position.number;
            back = worker.cut_from(position, *bodies_);
            if (is_open && !worker.flights.empty()) {
                auto started = lost_items(worker, worker.flights.back(), active, exitcode, done);
                started.insert(started.end(), std::make_move_iterator(back.begin()),
                               std::make_move_iterator(back.end()));
                back = std::move(started);
            }
        }
        for (const flight& sent : worker.flights)
            if (sent.body)
                bodies_->release(sent.body);
        worker.flights.clear();
        dispatcher_->push_front(std::move(back));

        const pid_t pid = worker.pid;
        const bool expected = worker.retiring || worker.condemned;
        worker.link.reset();
        worker.ready = false;
        if (!was_ready && !expected &&
            ++failed_starts_ > std::max<std::size_t>(8, 2 * workers_.size()))
            throw WorkerLostError("Pool: workers end before they are ready (the last one, pid " +
                                      std::to_string(pid) + ", " + how(exitcode) + ")",
                                  pid, exitcode);
        if (replacing_)
            try_start(worker);
    }
    /// Leaves the place empty where that is impossible at the moment.
    void try_start(worker_slot& worker) {
        try {
            start(worker);
        } catch (const std::system_error&) {
            worker = worker_slot{};
            cannot_start(std::current_exception());
        }
    }
    void cannot_start(std::exception_ptr why) {
        const auto now = clock::now();
        if (start_failure_ == nullptr)
            failing_since_ = now;
        start_failure_ = std::move(why);
        next_start_ = now + start_interval;
    }

    /// Settles from the staging slots whatever the dead worker finished.
    /// @returns whether that shows that it was ready
    bool collect_staged(worker_slot& worker, std::vector<job_ref>& done) {
        bool any = false;
        for (flight& sent : worker.flights) {
            try {
                if (const auto got = worker.link->staged(sent.number, sent.settled, copy_)) {
                    any = true;
                    collector_->settle(sent, *got, done);
                }
            } catch (const UnpicklingError&) {
                // What the dying worker wrote is damaged from here on: the rest counts as lost.
            }
        }
        return any;
    }

    /// Of the started items of the last message: the one that ran is settled or retried, others
    /// (claimed together with it) are returned to be run again.
    std::vector<slice> lost_items(worker_slot& worker, const flight& open,
                                  const worker_link::activity& active, int exitcode,
                                  std::vector<job_ref>& done) {
        std::vector<slice> again;
        const bool knows = active.running >> 32 == (open.number & 0xffffffffU);
        const std::uint64_t running = active.running & 0xffffffffU;
        for (const flight& sent : worker.flights)
            for (std::uint64_t item = sent.settled; item < sent.items; ++item)
                sent.for_items(
                    item, item + 1, [&](const job_ref& owner, std::uint64_t index, std::uint64_t) {
                        // Those before it were done, but their results cannot be read.
                        const bool ran = &sent != &open || (knows && item <= running);
                        const bool run_again = ran ? !worker.condemned && owner->may_retry(index)
                                                   : owner->may_return(index);
                        if (run_again)
                            again.push_back({owner, index, 1});
                        else
                            collector_->settle_with(
                                owner, index,
                                worker.condemned ? worker.condemned : lost(worker.pid, exitcode),
                                done);
                    });
        return again;
    }

    static std::exception_ptr lost(pid_t pid, int exitcode) {
        return std::make_exception_ptr(
            WorkerLostError("Pool: the worker that executed this call (pid " + std::to_string(pid) +
                                ") " + how(exitcode),
                            pid, exitcode));
    }
    static std::string how(int exitcode) {
        return exitcode < 0 ? "was killed by signal " + std::to_string(-exitcode)
                            : "ended with exit code " + std::to_string(exitcode);
    }

    /// The item that was started last takes at least so long.
    void learn(const worker_slot& worker, worker_link::position started,
               std::chrono::nanoseconds item) {
        for (const flight& sent : worker.flights)
            if (sent.number == started.number && started.items != 0)
                sent.for_items(started.items - 1, started.items,
                               [&](const job_ref& owner, std::uint64_t, std::uint64_t) {
                                   dispatcher_->costs().learn(
                                       *owner, static_cast<std::uint64_t>(item.count()));
                               });
    }
    static std::chrono::nanoseconds timeout_of(const worker_slot& worker, std::uint64_t running) {
        std::chrono::nanoseconds limit{0};
        const std::uint64_t item = running & 0xffffffffU;
        for (const flight& sent : worker.flights)
            if (running >> 32 == (sent.number & 0xffffffffU))
                sent.for_items(item, item + 1,
                               [&](const job_ref& owner, std::uint64_t, std::uint64_t) {
                                   limit = owner->limits().timeout;
                               });
        return limit;
    }
    worker_plan plan_;
    fork_server* server_;
    dispatcher* dispatcher_;
    collector* collector_;
    arena* bodies_;
    std::array<int, 3> shared_descriptors_;
    std::vector<worker_slot> workers_;
    std::vector<std::byte> copy_;
    std::uint64_t last_id_ = 0;
    std::size_t failed_starts_ = 0;
    std::exception_ptr start_failure_;  // the last one since a worker became ready, and the first
    clock::time_point failing_since_{};
    clock::time_point next_start_ = clock::time_point::max();  // of workers that are missing
    bool replacing_ = true;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
