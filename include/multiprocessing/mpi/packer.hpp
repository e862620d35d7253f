// SPDX-License-Identifier: BSL-1.0
// Work that waits for a rank, and the messages that it is packed into, by the rule of all pools
// (packing.hpp).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/packing.hpp>
#include <multiprocessing/pool/worker_slot.hpp>
#include <multiprocessing/transport/channel.hpp>
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

    void push_back(slice work) { pending_.push_back(std::move(work)); }
    /// Removes everything that is pending.
    std::deque<slice> take_all() noexcept { return pending_.take_all(); }
    /// The job whose turn it is; null when there is none. Drops work that nobody wants any more.
    [[nodiscard]] const remote_job* front() noexcept {
        return pending_.skip_settled() ? pending_.front().owner.get() : nullptr;
    }
    [[nodiscard]] cost_table& costs() noexcept { return costs_; }
    [[nodiscard]] const cost_table& costs() const noexcept { return costs_; }

    /// Appends pending work to a message that has its header: runs, then their run_infos.
    /// @param rejected gets the jobs that an item which cannot be written has settled
    /// @returns where the run_infos begin
    std::size_t pack(output_buffer& message, flight& packed, std::vector<job_ref>& rejected) {
        infos_.clear();
        runs_.start_message(run_writer::cut_chunks);
        batch filled = pending_.start_batch(workers_);
        while (pending_.skip_settled()) {
            slice& next = pending_.front();
            remote_job& owner = *next.owner;
            const bool alone = timed_alone_ && is_timed(owner);
            const std::uint64_t chunk = std::min(alone ? 1 : owner.limits().chunk, next.count);
            const std::uint64_t cost = costs_.of(owner);
            const std::uint64_t most =
                std::min<std::uint64_t>(chunk, claim::max_items - packed.items);
            if (most == 0 || !filled.takes(chunk, cost) || (alone && packed.items != 0) ||
                message.size() > message_limit)
                break;
            std::exception_ptr failure;
            const std::uint64_t written = write(owner, next.first, most, message, failure);
            if (written != 0)
                packed.slices.push_back({next.owner, next.first, written});
            packed.items += written;
            filled.add(written, cost);
            if (!failure) {
                pending_.drop_front(written);
            } else {
                const job_ref keep = next.owner;
                owner.reject(next.first + written, failure);
                pending_.drop_front(written + 1);
                if (keep->settled())
                    rejected.push_back(keep);
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
    std::uint64_t write(remote_job& owner, std::uint64_t first, std::uint64_t count,
                        output_buffer& message, std::exception_ptr& failure) {
        const run_info info{owner.result_size(), owner.limits().retries};
        const bool joins = !infos_.empty() && infos_.back() == info;
        const std::uint64_t written = runs_.write(owner, first, count, message, failure, joins);
        if (runs_.began())
            infos_.push_back(info);
        return written;
    }

    static constexpr std::size_t message_limit = std::size_t{64} << 10;  // not filled further

    std::size_t workers_;
    bool timed_alone_;
    pending_work pending_;
    cost_table costs_;
    run_writer runs_;
    std::vector<run_info> infos_;  // of the message that is packed
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
