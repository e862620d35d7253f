// SPDX-License-Identifier: BSL-1.0
// Work that waits for a rank, and the messages that it is packed into.
//
// As in a pool on one machine (dispatcher.hpp) a message carries one chunk while nobody knows what
// an item costs, then up to `quantum` of work, never more than a fair share.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/pool/dispatcher.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/worker_slot.hpp>
#include <multiprocessing/serialization/sender_keeps.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What a rank that hands its work on must know of a run besides its run_header; they stand behind
/// the runs of a message.
struct run_info {
    std::uint64_t result_size = 0;
    std::uint64_t retries = 0;

    bool operator==(const run_info&) const = default;
};

inline bool is_timed(const remote_job& owner) noexcept {
    return owner.limits().timeout != std::chrono::nanoseconds::zero();
}

class packer {
  public:
    /// @param timed_alone whether an item with a time limit has a message for itself
    packer(std::size_t workers, bool timed_alone) noexcept
        : workers_(workers), timed_alone_(timed_alone) {}

    void push_back(slice work) {
        pending_items_ += work.count;
        pending_.push_back(std::move(work));
    }
    /// Removes everything that is pending.
    std::deque<slice> take_all() noexcept {
        pending_items_ = 0;
        return std::exchange(pending_, {});
    }
    /// The job whose turn it is; null when there is none. Drops work that nobody wants any more.
    [[nodiscard]] const remote_job* front() noexcept {
        while (!pending_.empty() && pending_.front().owner->settled())
            drop_front(pending_.front().count);
        return pending_.empty() ? nullptr : pending_.front().owner.get();
    }
    [[nodiscard]] cost_table& costs() noexcept { return costs_; }
    [[nodiscard]] const cost_table& costs() const noexcept { return costs_; }

    /// Appends pending work to a message that has its header: runs, then their run_infos.
    /// @param rejected gets the jobs that an item which cannot be written has settled
    /// @returns where the run_infos begin
    std::size_t pack(output_buffer& message, flight& packed, std::vector<job_ref>& rejected) {
        infos_.clear();
        const std::uint64_t share =
            std::max<std::uint64_t>(1, pending_items_ / (2 * std::max<std::size_t>(workers_, 1)));
        std::uint64_t work = 0;  // nanoseconds of it in the message
        while (front() != nullptr) {
            slice& next = pending_.front();
            remote_job& owner = *next.owner;
            const bool alone = timed_alone_ && is_timed(owner);
            const std::uint64_t chunk = std::min(alone ? 1 : owner.limits().chunk, next.count);
            const std::uint64_t cost = costs_.of(owner);
            const std::uint64_t most =
                std::min<std::uint64_t>(chunk, claim::max_items - packed.items);
            if (packed.items != 0 &&
                (alone || cost == cost_table::unknown ||
                 work + cost * chunk > dispatcher::quantum ||
                 (packed.items + chunk > share && work + cost * chunk > dispatcher::negligible) ||
                 message.size() > message_limit))
                break;
            if (most == 0)
                break;
            std::exception_ptr failure;
            const std::uint64_t written = write(owner, next.first, most, message, failure);
            if (written != 0)
                packed.slices.push_back({next.owner, next.first, written});
            packed.items += written;
            work += cost * written;
            if (failure) {
                const job_ref keep = next.owner;
                owner.reject(next.first + written, failure);
                drop_front(written + 1);
                if (keep->settled())
                    rejected.push_back(keep);
            } else {
                drop_front(written);
            }
            if (alone && written != 0)
                break;
        }
        append_padding(message);
        const std::size_t end = message.size();
        message.append(infos_.data(), infos_.size() * sizeof(run_info));
        return end;
    }

  private:
    /// Appends items to the last run if they have the same prefix, else begins a run.
    std::uint64_t write(remote_job& owner, std::uint64_t first, std::uint64_t count,
                        output_buffer& message, std::exception_ptr& failure) {
        const std::size_t before = message.size();
        const std::size_t runs_before = infos_.size();
        try {
            const sender_keeps keeps;  // the job does, until its items are settled
            prefix_.clear();
            owner.write_prefix(prefix_);
            const run_info info{owner.result_size(), owner.limits().retries};
            if (!continues_run(owner, info, message)) {
                append_padding(message);
                run_at_ = message.size();
                run_prefix_ = prefix_.size();
                run_owner_ = &owner;
                message.append(prefix_.data(), prefix_.size());
                infos_.push_back(info);
            }
            const std::uint64_t written = owner.write_items(first, count, message, failure);
            if (written == 0)
                forget(message, before, runs_before);
            else
                add_to_run(message, written);
            return written;
        } catch (...) {
            forget(message, before, runs_before);
            failure = std::current_exception();
            return 0;
        }
    }
    // What is claimed together belongs to one job.
    [[nodiscard]] bool continues_run(const remote_job& owner, const run_info& info,
                                     const output_buffer& message) const noexcept {
        constexpr std::size_t compared = offsetof(run_header, items);
        constexpr std::size_t rest = sizeof(run_header);
        return !infos_.empty() && infos_.back() == info &&
               (owner.limits().chunk == 1 || run_owner_ == &owner) &&
               run_prefix_ == prefix_.size() &&
               std::memcmp(message.data() + run_at_, prefix_.data(), compared) == 0 &&
               std::memcmp(message.data() + run_at_ + rest, prefix_.data() + rest,
                           prefix_.size() - rest) == 0;
    }
    void add_to_run(output_buffer& message, std::uint64_t items) const noexcept {
        std::byte* const place = message.data() + run_at_ + offsetof(run_header, items);
        std::uint64_t count = 0;
        std::memcpy(&count, place, sizeof count);
        count += items;
        std::memcpy(place, &count, sizeof count);
    }
    /// Nothing was written: a run that was begun for it is not there. Others stay as they are.
    void forget(output_buffer& message, std::size_t size, std::size_t runs) noexcept {
        message.truncate(size);
        if (infos_.size() != runs) {
            infos_.resize(runs);
            run_prefix_ = 0;  // no prefix is so short: the next items begin a run
        }
    }
    void drop_front(std::uint64_t count) noexcept {
        slice& next = pending_.front();
        pending_items_ -= count;
        next.first += count;
        next.count -= count;
        if (next.count == 0)
            pending_.pop_front();
    }

    static constexpr std::size_t message_limit = std::size_t{64} << 10;  // not filled further

    std::size_t workers_;
    bool timed_alone_;
    std::deque<slice> pending_;
    std::uint64_t pending_items_ = 0;
    cost_table costs_;
    heap_buffer prefix_;
    std::vector<run_info> infos_;  // of the message that is packed
    std::size_t run_at_ = 0, run_prefix_ = 0;
    const remote_job* run_owner_ = nullptr;  // whose items began the run
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
