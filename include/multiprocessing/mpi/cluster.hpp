// SPDX-License-Identifier: BSL-1.0
// The other ranks as the jobs of rank 0 see them: an executor like the engine of a pool.
//
// One lock guards everything, MPI as well, which needs to serve one thread at a time alone
// (MPI_THREAD_SERIALIZED). Whoever holds it pumps: a thread that submits, when a rank could take
// more; a thread that waits, until its result is there; a thread of the cluster's own when nobody
// else does, which also runs the callbacks.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/mpi/mailbox.hpp>
#include <multiprocessing/mpi/pace.hpp>
#include <multiprocessing/mpi/packer.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/pool/collector.hpp>
#include <multiprocessing/pool/inbox.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/serialization/exception.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What rank 0 knows of another rank.
struct rank_link {
    std::deque<flight> flights;  // messages that it has not answered
    std::uint64_t sent = 0;      // messages, of all time
    std::uint64_t last_used = 0;
    bool ready = false;  // its initializer is done
    bool gone = false;   // it sent its last message
    // When the item with a time limit that it executes is late.
    Deadline::clock::time_point due = Deadline::clock::time_point::max();
};

/// @note Any thread of rank 0.
class cluster final : public executor {
  public:
    /// @param processes of each rank that carry out calls; 0: the rank itself does
    static std::shared_ptr<cluster> make(mailbox box, std::size_t processes) {
        const std::shared_ptr<cluster> made(new cluster(std::move(box), processes));
        const os::blocked_signals blocked;  // the application's signals go to its own threads
        ++library_threads();
        try {
            made->thread_ = std::thread([made, mask = blocked.application()] {
                os::keep_application_mask(mask);
                made->serve();
            });
        } catch (...) {
            --library_threads();
            throw;
        }
        return made;
    }
    cluster(const cluster&) = delete;
    cluster& operator=(const cluster&) = delete;
    ~cluster() override = default;

    [[nodiscard]] std::size_t workers() const noexcept {
        return (links_.size() - 1) * rank_workers_;
    }
    /// @throws ValueError after close(), or whatever made the pool unusable
    void check_running() const { inbox_.check_running(); }

    void submit(std::span<counted<job>> work) override {
        if (work.empty())
            return;
        refuse_if_forked();
        inbox_.put(work);
        if (!hungry_.load(std::memory_order_acquire))
            return;  // who collects the next answer looks into the inbox
        std::unique_lock lock(lock_, std::try_to_lock);
        if (lock.owns_lock())
            push();
        if (dozing_.load(std::memory_order_relaxed)) {
            if (!lock.owns_lock())
                lock.lock();  // whoever holds it may not look into the inbox again
            service_.notify_one();
        }
    }

    bool wait(const std::atomic<bool>& ready, Deadline deadline) override {
        if (ready.load(std::memory_order_acquire))
            return true;
        refuse_if_forked();
        const bool own = std::this_thread::get_id() == thread_.get_id();
        pace idle;
        std::unique_lock lock(lock_);
        ++waiters_;
        for (;;) {
            const bool moved = pump();
            // A callback waits for another call: meanwhile its thread goes on with its work.
            if ((own && call_back(lock)) || moved)
                idle.reset();
            if (ready.load(std::memory_order_acquire) || deadline.expired())
                break;
            if (interrupt_pending.load(std::memory_order_relaxed)) {
                --waiters_;
                lock.unlock();
                check_interrupt();
                lock.lock();
                ++waiters_;
            }
            if (!moved)
                rest(lock, idle, deadline);
        }
        --waiters_;
        if (waiting_ != 0)
            news_.notify_one();  // another thread may attend
        return ready.load(std::memory_order_acquire);
    }
    void look() override {
        refuse_if_forked();
        const std::unique_lock lock(lock_, std::try_to_lock);
        if (lock.owns_lock())
            pump();
    }

    /// @note What a rank executes, it goes on with.
    bool cancel(job& given) override {
        refuse_if_forked();
        const job_ref owner(static_cast<remote_job*>(&given));
        const std::scoped_lock lock(lock_);
        pump();
        if (owner->settled())
            return false;
        reject_job(owner, std::make_exception_ptr(CancelledError("the call was cancelled")));
        announce();
        return true;
    }
    void abandon(job& dropped) noexcept override {
        if (forked())
            return;
        const std::scoped_lock lock(lock_);
        dropped.reject_rest(nullptr);
        dropped.release_inputs();
    }

    /// No more calls; the ranks are dismissed when everything submitted is done.
    void close() noexcept {
        inbox_.close();
        wake();
    }
    /// No more calls; those that are not done fail with CancelledError. What the ranks execute,
    /// they go on with; workers of theirs are killed.
    void terminate() noexcept {
        inbox_.close();
        terminating_.store(true, std::memory_order_release);
        wake();
    }
    /// Waits until all ranks are dismissed.
    /// @throws ValueError while it is running; KeyboardInterrupt
    void join() {
        refuse_if_forked();
        if (!inbox_.closed())
            throw ValueError("Pool is still running: close() or terminate() it before join()");
        if (std::this_thread::get_id() == thread_.get_id())
            throw ValueError("Pool.join: a callback cannot wait for its own pool");
        std::unique_lock lock(lock_);
        while (!ended_) {
            ++waiting_;
            news_.wait_for(lock, wait_slice);
            --waiting_;
            if (interrupt_pending.load(std::memory_order_relaxed)) {
                lock.unlock();
                check_interrupt();
                lock.lock();
            }
        }
    }
    /// terminate and join; MPI is not used any more when it returns.
    void dismiss() noexcept {
        if (forked())
            return;
        terminate();
        if (thread_.joinable())
            thread_.join();
    }
    /// After dismiss(): why the ranks could not be told to end; null when they were.
    [[nodiscard]] std::exception_ptr failure() const noexcept { return lost_ ? broken_ : nullptr; }

  private:
    cluster(mailbox box, std::size_t processes)
        : box_(std::move(box)),
          rank_workers_(std::max<std::size_t>(processes, 1)),
          ranks_execute_(processes == 0),
          links_(static_cast<std::size_t>(box_.size())),
          packer_(workers(), ranks_execute_),
          collector_(packer_.costs()) {}

    [[nodiscard]] bool forked() const noexcept { return made_in_ != os::fork_count(); }
    void refuse_if_forked() const {
        if (forked())
            throw ValueError("Pool not running: it belongs to the process that forked this one");
    }
    void wake() noexcept {
        const std::scoped_lock lock(lock_);
        service_.notify_one();
    }

    // ---- under the lock

    /// Takes one message, if there is one, and sends what can be sent. @returns whether it did
    bool pump() noexcept {
        return step([this] {
            const auto got = box_.receive(arrived_);
            if (got)
                handle(*got);
            (void)box_.sending();
            give_up_late_items();
            return got.has_value();
        });
    }
    /// Sends what can be sent.
    void push() noexcept {
        step([] { return false; });
    }
    template <class First>
    bool step(First first) noexcept {
        if (ended_)
            return false;
        bool moved = false;
        try {
            moved = first();
            take_inbox();
            moved = dispatch() || moved;
        } catch (...) {
            lost_ = true;
            fail(std::current_exception());
        }
        announce();
        return moved;
    }

    void take_inbox() noexcept {
        inbox_.take(submitted_);
        for (job_ref& work : submitted_) {
            const std::uint64_t items = work->limits().items;
            if (work->settled())  // of no items
                done_.push_back(std::move(work));
            else if (broken_ || terminating_.load(std::memory_order_acquire))
                reject_job(work, reason());
            else
                packer_.push_back({std::move(work), 0, items});
        }
        submitted_.clear();
    }

    void handle(const mailbox::incoming& got) {
        rank_link& from = links_.at(static_cast<std::size_t>(got.source));
        const std::span<const std::byte> body = arrived_.bytes().subspan(sizeof(letter_header));
        switch (got.what) {
            case letter::ready:
                from.ready = true;
                return;
            case letter::failed: {
                input_cursor reason(body);
                fail(load_exception(reason));
                return;
            }
            case letter::answer:
                settle(from, got.header, body);
                return;
            case letter::bye:
                from.gone = true;
                from.flights.clear();
                return;
            default:
                throw UnpicklingError("mpi: a message that rank 0 does not know");
        }
    }
    void settle(rank_link& from, const letter_header& header, std::span<const std::byte> records) {
        const auto sent = std::ranges::find(from.flights, header.number, &flight::number);
        if (sent == from.flights.end() || sent->items != header.items)
            throw UnpicklingError("mpi: a rank answered what it was not sent");
        collector_.settle(*sent, {header.number, header.items, header.extra, records, nullptr},
                          done_);
        from.flights.erase(sent);
        from.due = Deadline::clock::time_point::max();
    }

    bool dispatch() {
        bool any = false;
        for (;;) {
            const remote_job* const next = packer_.front();
            hungry_.store(true, std::memory_order_release);
            if (next == nullptr)
                return any;
            const std::size_t to = next_rank(*next);
            hungry_.store(to != 0, std::memory_order_release);
            if (to == 0)
                return any;
            send_next(to);
            any = true;
        }
    }
    /// The rank with the least to do, among equals the one that is most likely awake; 0 for none.
    [[nodiscard]] std::size_t next_rank(const remote_job& next) const noexcept {
        std::size_t best = 0;
        for (std::size_t rank = 1; rank < links_.size(); ++rank) {
            const rank_link& link = links_[rank];
            if (!wants_more(link, next))
                continue;
            if (best == 0 || link.flights.size() < links_[best].flights.size() ||
                (link.flights.size() == links_[best].flights.size() &&
                 link.last_used > links_[best].last_used))
                best = rank;
        }
        return best;
    }
    // As in a pool on one machine: two messages for each worker, but one of long items.
    [[nodiscard]] bool wants_more(const rank_link& link, const remote_job& next) const noexcept {
        if (!link.ready || link.gone)
            return false;
        const std::size_t has = link.flights.size();
        if (has < rank_workers_)
            return true;
        if (has >= 2 * rank_workers_ || (ranks_execute_ && (is_timed(next) || is_late(link))))
            return false;
        const std::uint64_t cost = packer_.costs().of(next);
        return cost != cost_table::unknown && cost < dispatcher::prefetch_limit;
    }
    /// Whether it executes an item with a time limit, or goes on with one that was given up.
    [[nodiscard]] static bool is_late(const rank_link& link) noexcept {
        return !link.flights.empty() && is_timed(*link.flights.front().slices.front().owner);
    }
    void send_next(std::size_t to) {
        rank_link& link = links_[to];
        flight packed;
        heap_buffer message = box_.start();
        letter_header header;
        header.extra = packer_.pack(message, packed, done_);
        if (packed.items == 0) {
            box_.recycle(std::move(message));
            return;
        }
        header.number = packed.number = ++link.sent;
        header.items = packed.items;
        const remote_job& first = *packed.slices.front().owner;
        if (ranks_execute_ && is_timed(first))
            link.due = Deadline::clock::now() + first.limits().timeout;
        link.last_used = ++uses_;
        link.flights.push_back(std::move(packed));
        box_.send(static_cast<int>(to), letter::task, header, std::move(message));
    }

    /// Where ranks execute by themselves nobody can be killed: the call gives up waiting.
    void give_up_late_items() {
        for (rank_link& link : links_) {
            if (link.due == Deadline::clock::time_point::max() || Deadline::clock::now() < link.due)
                continue;
            link.due = Deadline::clock::time_point::max();
            flight& late = link.flights.front();
            const slice& part = late.slices.front();
            late.settled = late.items;
            collector::settle_with(part.owner, part.first,
                                   std::make_exception_ptr(TimeoutError(
                                       "mpi::Pool: an item ran longer than its timeout; its rank "
                                       "goes on with it")),
                                   done_);
        }
    }

    void announce() noexcept {
        for (job_ref& settled : done_) {
            settled->release_inputs();
            if (settled->has_callback()) {
                calling_back_.push_back(std::move(settled));
                service_.notify_one();
            } else {
                make_ready(*settled);
            }
        }
        done_.clear();
    }
    void make_ready(remote_job& settled) noexcept {
        settled.set_ready();
        if (waiting_ != 0)
            news_.notify_all();
    }
    void reject_job(const job_ref& owner, const std::exception_ptr& error) noexcept {
        if (owner->settled())
            return;
        owner->reject_rest(error);
        done_.push_back(owner);
    }
    [[nodiscard]] std::exception_ptr reason() const {
        return broken_ ? broken_
                       : std::make_exception_ptr(CancelledError("the pool was terminated"));
    }
    void reject_everything() noexcept {
        take_inbox();
        for (const slice& part : packer_.take_all())
            reject_job(part.owner, reason());
        for (rank_link& link : links_)
            for (const flight& sent : link.flights)
                for (const slice& part : sent.slices)
                    reject_job(part.owner, reason());
        announce();
    }
    /// The pool is unusable from here on.
    void fail(std::exception_ptr why) noexcept {
        if (broken_)
            return;
        broken_ = std::move(why);
        inbox_.break_with(broken_);
        reject_everything();
    }
    [[nodiscard]] bool expects_mail() const noexcept {
        for (std::size_t rank = 1; rank < links_.size(); ++rank)
            if (!links_[rank].flights.empty() || !links_[rank].ready)
                return true;
        return false;
    }
    [[nodiscard]] bool all_done() noexcept {
        if (inbox_.filled() || packer_.front() != nullptr || !calling_back_.empty())
            return false;
        for (const rank_link& link : links_)
            if (!link.flights.empty())
                return false;
        return true;
    }

    // ---- waiting

    /// Nothing moved: one thread looks again soon, the others wait until it says something.
    void rest(std::unique_lock<std::mutex>& lock, pace& idle, Deadline deadline) {
        if (attended_) {
            ++waiting_;
            news_.wait_for(lock, deadline.remaining());
            --waiting_;
            return;
        }
        attended_ = true;
        lock.unlock();
        const auto pause = idle.next();
        if (pause != std::chrono::nanoseconds::zero())
            std::this_thread::sleep_for(deadline.remaining(pause));
        lock.lock();
        attended_ = false;
    }

    // ---- the cluster's own thread

    void serve() noexcept {
        pace idle;
        std::unique_lock lock(lock_);
        for (;;) {
            if (call_back(lock))
                continue;
            if (terminating_.load(std::memory_order_acquire)) {
                reject_everything();
                if (calling_back_.empty())
                    break;
                continue;
            }
            if (waiters_ != 0) {  // they do the work: this thread would only be in their way
                service_.wait_for(lock, pace::longest);
                continue;
            }
            if (pump()) {
                idle.reset();
                continue;
            }
            if (inbox_.closed() && all_done())
                break;
            if (idle.rested() && !expects_mail()) {
                dozing_ = true;
                service_.wait_for(lock, std::chrono::seconds(1));
                dozing_ = false;
                continue;
            }
            lock.unlock();
            const auto pause = idle.next();
            lock.lock();
            if (pause != std::chrono::nanoseconds::zero() && calling_back_.empty())
                service_.wait_for(lock, pause);
        }
        dismiss_ranks(lock);
        ended_ = true;
        --library_threads();
        news_.notify_all();
    }
    /// One callback at a time: one that waits for another call runs the later ones itself.
    bool call_back(std::unique_lock<std::mutex>& lock) noexcept {
        const bool any = !calling_back_.empty();
        while (!calling_back_.empty()) {
            const job_ref settled = std::move(calling_back_.front());
            calling_back_.pop_front();
            lock.unlock();
            settled->run_callback();
            lock.lock();
            make_ready(*settled);
        }
        return any;
    }
    /// Tells all ranks to stop and waits for the last message of each.
    void dismiss_ranks(std::unique_lock<std::mutex>& lock) noexcept {
        try {
            for (std::size_t rank = 1; rank < links_.size(); ++rank) {
                box_.send_ahead(static_cast<int>(rank));
                box_.send(static_cast<int>(rank), letter::stop);
                links_[rank].ready = false;
            }
            pace idle;
            for (;;) {
                const auto left = std::count_if(links_.begin() + 1, links_.end(),
                                                [](const rank_link& link) { return !link.gone; });
                if (lost_)
                    return;
                if (left == 0 && !box_.sending())
                    return box_.close();
                if (pump()) {
                    idle.reset();
                    continue;
                }
                const auto pause = idle.next();
                lock.unlock();
                std::this_thread::sleep_for(pause);
                lock.lock();
            }
        } catch (...) {
            lost_ = true;
            fail(std::current_exception());
        }
    }

    unsigned made_in_ = os::fork_count();
    inbox inbox_;
    std::atomic<bool> hungry_{true};  // some rank could take more than there is
    std::atomic<bool> terminating_{false};

    std::mutex lock_;  // guards everything below
    std::condition_variable news_, service_;
    mailbox box_;
    std::size_t rank_workers_;
    bool ranks_execute_;            // themselves, and not in workers of theirs
    std::vector<rank_link> links_;  // by rank; that of rank 0 is not used
    packer packer_;
    collector collector_;
    heap_buffer arrived_;
    std::vector<job_ref> submitted_, done_;
    std::deque<job_ref> calling_back_;
    std::exception_ptr broken_;
    std::uint64_t uses_ = 0;
    std::size_t waiters_ = 0;          // threads that wait for results
    std::size_t waiting_ = 0;          // threads that sleep until there is news_
    bool attended_ = false;            // one that waits for a result looks for messages
    std::atomic<bool> dozing_{false};  // the cluster's own thread expects nothing
    bool ended_ = false;
    bool lost_ = false;  // MPI failed
    std::thread thread_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
