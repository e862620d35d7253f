// SPDX-License-Identifier: BSL-1.0
// What rank 0 does with its jobs, one step at a time: takes in what was submitted, sends it to the
// other ranks, takes in what they answer. Knows no threads and no locks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <span>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/mpi/mailbox.hpp>
#include <multiprocessing/mpi/packer.hpp>
#include <multiprocessing/pool/collector.hpp>
#include <multiprocessing/pool/inbox.hpp>
#include <multiprocessing/pool/job.hpp>
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

    /// Whether it executes an item with a time limit, or goes on with one that was given up.
    [[nodiscard]] bool is_timed() const noexcept {
        return !flights.empty() && detail::is_timed(*flights.front().slices.front().owner);
    }
};

/// @note One thread at a time. Nothing throws but the constructor: what goes wrong breaks the pool,
/// and all its jobs are settled with the reason. Jobs that are settled wait in `take_done`.
class rank_scheduler {
  public:
    /// @param processes of each rank that carry out calls; 0: the rank itself does
    rank_scheduler(mailbox box, std::size_t processes, inbox& submitted)
        : inbox_(&submitted),
          box_(std::move(box)),
          rank_workers_(std::max<std::size_t>(processes, 1)),
          ranks_execute_(processes == 0),
          links_(static_cast<std::size_t>(box_.size())),
          packer_(workers(), ranks_execute_),
          collector_(packer_.costs()) {}

    [[nodiscard]] std::size_t workers() const noexcept {
        return (links_.size() - 1) * rank_workers_;
    }

    /// Takes in one message, if there is one, and sends what can be sent. @returns whether it did
    bool pump() noexcept {
        return guard([this] {
            const auto got = box_.receive(arrived_);
            if (got)
                handle(*got);
            (void)box_.sending();
            give_up_late_items();
            // Without news there is nothing to send, either: who waits looks often.
            return (got || inbox_->filled()) && (send_all() || got);
        });
    }
    /// Sends what can be sent.
    void push() noexcept {
        guard([this] { return send_all(); });
    }

    /// What a rank executes, it goes on with. @returns false when the job was settled already
    bool cancel(const job_ref& cancelled) noexcept {
        if (cancelled->settled())
            return false;
        reject_job(cancelled, std::make_exception_ptr(CancelledError("the call was cancelled")));
        return true;
    }
    /// Settles everything that is not: the pool ends.
    void reject_everything() noexcept {
        reject_everything_with(
            broken_ ? broken_ : std::make_exception_ptr(CancelledError("the pool was terminated")));
    }

    /// Whether some rank could take more than there is.
    [[nodiscard]] bool hungry() const noexcept { return hungry_; }
    [[nodiscard]] bool has_done() const noexcept { return !done_.empty(); }
    /// Moves the jobs that are settled to `taken`, which is empty.
    void take_done(std::vector<job_ref>& taken) noexcept { std::swap(done_, taken); }
    /// Whether ranks are about to say something.
    [[nodiscard]] bool expects_mail() const noexcept {
        return std::any_of(links_.begin() + 1, links_.end(), [this](const rank_link& link) {
            return !link.flights.empty() || (!link.ready && !broken_);
        });
    }
    [[nodiscard]] bool all_done() noexcept {
        return !inbox_->filled() && packer_.front() == nullptr &&
               std::ranges::all_of(links_,
                                   [](const rank_link& link) { return link.flights.empty(); });
    }

    /// Tells all ranks to stop. They answer what they have begun, and say goodbye.
    void dismiss_ranks() noexcept {
        guard([this] {
            for (std::size_t rank = 1; rank < links_.size(); ++rank) {
                box_.send_ahead(static_cast<int>(rank));
                box_.send(static_cast<int>(rank), letter::stop);
                links_[rank].ready = false;
            }
            return true;
        });
    }
    /// After `dismiss_ranks`: whether nothing more is to be done. Then MPI is not used any more.
    [[nodiscard]] bool ranks_gone() noexcept {
        const auto gone = [](const rank_link& link) { return link.gone; };
        if (lost_)
            return true;
        return std::all_of(links_.begin() + 1, links_.end(), gone) && guard([this] {
                   if (box_.sending())
                       return false;
                   box_.close();
                   return true;
               });
    }
    /// Why no message comes or goes any more; null while they do.
    [[nodiscard]] std::exception_ptr failure() const noexcept { return lost_ ? broken_ : nullptr; }

  private:
    /// Does one step; after one that failed nothing is sent or received. @returns what it returns
    template <class Step>
    bool guard(Step step) noexcept {
        if (lost_)
            return false;
        try {
            return step();
        } catch (...) {
            lost_ = true;
            fail(std::current_exception());
            return false;
        }
    }

    // ---- what comes

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
                from.due = Deadline::clock::time_point::max();
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
        if (sent == from.flights.begin())
            from.flights.pop_front();  // as nearly always, and cheaper
        else
            from.flights.erase(sent);
        from.due = Deadline::clock::time_point::max();
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

    // ---- what goes

    /// @returns whether something was sent
    bool send_all() {
        take_inbox();
        for (bool any = false;; any = true) {
            const remote_job* const next = packer_.front();
            const std::size_t to = next != nullptr ? next_rank(*next) : 0;
            hungry_ = next == nullptr;
            if (to == 0)
                return any;
            send_next(to);
        }
    }
    void take_inbox() {
        inbox_->take(submitted_);
        for (job_ref& work : submitted_) {
            const std::uint64_t items = work->limits().items;
            if (work->settled())  // of no items
                done_.push_back(std::move(work));
            else if (broken_)
                reject_job(work, broken_);
            else
                packer_.push_back({std::move(work), 0, items});
        }
        submitted_.clear();
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
        if (has >= 2 * rank_workers_ || (ranks_execute_ && (is_timed(next) || link.is_timed())))
            return false;
        return batch::is_sent_ahead(packer_.costs().of(next));
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

    // ---- what fails

    void reject_job(const job_ref& owner, const std::exception_ptr& error) noexcept {
        if (owner->settled())
            return;
        owner->reject_rest(error);
        done_.push_back(owner);
    }
    void reject_everything_with(const std::exception_ptr& reason) noexcept {
        take_inbox();
        for (const slice& part : packer_.take_all())
            reject_job(part.owner, reason);
        for (rank_link& link : links_)
            for (const flight& sent : link.flights)
                for (const slice& part : sent.slices)
                    reject_job(part.owner, reason);
    }
    /// The pool is unusable from here on.
    void fail(std::exception_ptr why) noexcept {
        if (broken_)
            return;
        broken_ = std::move(why);
        inbox_->break_with(broken_);
        reject_everything_with(broken_);
    }

    inbox* inbox_;
    mailbox box_;
    std::size_t rank_workers_;
    bool ranks_execute_;            // themselves, and not in workers of theirs
    std::vector<rank_link> links_;  // by rank; that of rank 0 is not used
    packer packer_;
    collector collector_;
    heap_buffer arrived_;
    std::vector<job_ref> submitted_, done_;
    std::exception_ptr broken_;
    std::uint64_t uses_ = 0;
    bool hungry_ = true;
    bool lost_ = false;  // MPI failed
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
