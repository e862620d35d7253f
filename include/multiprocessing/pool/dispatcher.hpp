// SPDX-License-Identifier: BSL-1.0
// Decides which worker gets which items next, and packs them into messages.
//
// Waking a sleeper costs a hundred times what a queue operation costs, so a message carries as many
// short items as are ready; but an item that waits behind a long one in the wrong worker's queue
// costs more still. So the batch follows the measured time per item: one chunk while that is
// unknown, then up to `quantum` of work, never more than a worker's fair share of what is pending.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <system_error>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/memory/arena.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/worker_slot.hpp>
#include <multiprocessing/serialization/sender_keeps.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Nanoseconds per item, by cost key. Rises at once and falls by halves: taking a long item for a
/// short one is the dearer mistake.
class cost_table {
  public:
    static constexpr std::uint64_t unknown = 0;

    [[nodiscard]] std::uint64_t of(const remote_job& measured) const noexcept {
        return costs_[measured.cost_key()];
    }
    void learn(const remote_job& measured, std::uint64_t nanoseconds_per_item) noexcept {
        std::uint64_t& cost = costs_[measured.cost_key()];
        const std::uint64_t fresh = nanoseconds_per_item + 1;
        cost = fresh >= cost ? fresh : (cost + fresh) / 2;
    }

  private:
    std::array<std::uint64_t, 256> costs_{};
};

class dispatcher {
  public:
    static constexpr std::uint64_t quantum = 100'000;           // nanoseconds of work in a message
    static constexpr std::uint64_t prefetch_limit = 5'000'000;  // longer items are not queued ahead

    static constexpr std::uint64_t negligible = 10'000;  // less work is not worth a second wake-up

    explicit dispatcher(arena& bodies) : bodies_(&bodies), message_(bodies) {}

    void push_back(slice work) {
        pending_items_ += work.count;
        pending_.push_back(std::move(work));
    }
    /// Puts work that was taken back before everything else, in its order.
    void push_front(std::vector<slice> work) {
        for (auto part = work.rbegin(); part != work.rend(); ++part) {
            pending_items_ += part->count;
            pending_.push_front(std::move(*part));
        }
    }
    [[nodiscard]] bool empty() const noexcept { return pending_.empty(); }
    [[nodiscard]] cost_table& costs() noexcept { return costs_; }

    /// Removes everything that is pending.
    std::deque<slice> take_all() noexcept {
        pending_items_ = 0;
        return std::exchange(pending_, {});
    }

    /// How many messages the worker should have for the work at the front.
    [[nodiscard]] bool wants_more(const worker_slot& worker) const noexcept {
        if (!worker.accepts_message() || worker.inside)
            return false;
        if (worker.flights.empty())
            return true;
        if (worker.flights.size() >= 2)
            return false;
        const std::uint64_t cost =
            pending_.empty() ? cost_table::unknown : costs_.of(*pending_.front().owner);
        return cost != cost_table::unknown && cost < prefetch_limit;
    }

    enum class outcome { sent, blocked, nothing };
    /// Packs and sends one message of pending work.
    /// @param rejected gets the jobs that an item which cannot be written has settled
    /// @returns blocked when the worker is inside its queue, nothing when no work is left or there
    /// is no memory for it at the moment
    outcome send_next(worker_slot& worker, std::size_t workers, std::vector<job_ref>& rejected) {
        flight packed;
        const std::uint64_t chunks_left = worker.chunks_left;
        pack(worker, workers, packed, rejected);
        if (packed.items == 0)
            return outcome::nothing;
        task_header header;
        header.number = packed.number = worker.link->next_number();
        header.items = packed.items;
        header.size = message_.size();
        std::size_t inline_size = message_.size();
        if (message_.spilled()) {
            packed.body = message_.take_block();
            header.location = packed.body.offset;
            inline_size = 0;
        }
        std::memcpy(buffer_, &header, sizeof header);
        if (!worker.link->try_send({buffer_, sizeof header + inline_size})) {
            push_front(packed.cut(0));
            worker.chunks_left = chunks_left;
            if (packed.body)
                bodies_->release(packed.body);
            return outcome::blocked;
        }
        if (worker.flights.empty())
            worker.watched.reset();
        worker.flights.push_back(std::move(packed));
        return outcome::sent;
    }

  private:
    void pack(worker_slot& worker, std::size_t workers, flight& packed,
              std::vector<job_ref>& rejected) {
        message_.start({buffer_ + sizeof(task_header), sizeof buffer_ - sizeof(task_header)});
        run_at_ = no_run;
        const std::uint64_t share =
            std::max<std::uint64_t>(1, pending_items_ / (2 * std::max<std::size_t>(workers, 1)));
        std::uint64_t cost_so_far = 0;
        while (!pending_.empty()) {
            slice& front = pending_.front();
            remote_job& owner = *front.owner;
            if (owner.settled()) {  // cancelled or failed as a whole
                drop_front(front.count);
                continue;
            }
            if (worker.chunks_left == 0)  // used up within this message
                break;
            const std::uint64_t chunk = std::min(owner.limits().chunk, front.count);
            const std::uint64_t cost = costs_.of(owner);
            if (packed.items != 0 &&
                (cost == cost_table::unknown || cost_so_far + cost * chunk > quantum ||
                 (packed.items + chunk > share && cost_so_far + cost * chunk > negligible) ||
                 message_.size() > message_limit))
                break;
            const std::uint64_t most = std::min<std::uint64_t>(portion(worker, chunk, cost, share),
                                                               claim::max_items - packed.items);
            if (most == 0)
                break;
            std::exception_ptr failure;
            const std::uint64_t written = write(owner, front.first, most, failure);
            if (written != 0) {
                // The rest keeps its reference; most slices have none, and counting costs.
                // No memory for the slice is found out before the job is taken from where it was.
                slice& taken = packed.slices.emplace_back();
                job_ref holder = written == front.count ? std::move(front.owner) : front.owner;
                taken = {std::move(holder), front.first, written};
                packed.items += written;
                cost_so_far += cost * written;
                if (worker.chunks_left != unlimited_chunks)
                    --worker.chunks_left;
            }
            if (!failure) {
                drop_front(written);
                continue;
            }
            if (out_of_memory(failure) && (bodies_->used() != 0 || packed.items != 0)) {
                drop_front(written);  // the rest waits until other payloads are gone
                break;
            }
            const job_ref keep = front.owner;
            owner.reject(front.first + written, failure);
            drop_front(written + 1);
            if (keep->settled())
                rejected.push_back(keep);
        }
    }

    /// How much of a chunk goes into a message: of one that is long and more than a fair share of
    /// what is left, no more than the share, so that no worker works long after all others are
    /// done. Whoever counts chunks gets whole ones.
    static std::uint64_t portion(const worker_slot& worker, std::uint64_t chunk, std::uint64_t cost,
                                 std::uint64_t share) noexcept {
        const bool is_long = cost != cost_table::unknown && cost * chunk > quantum;
        return is_long && worker.chunks_left == unlimited_chunks ? std::min(chunk, share) : chunk;
    }

    /// Appends items to the last run if they have the same prefix, else begins a run.
    std::uint64_t write(remote_job& owner, std::uint64_t first, std::uint64_t count,
                        std::exception_ptr& failure) {
        const std::size_t before = message_.size();
        try {
            const sender_keeps keeps;  // the job does, and tasks may be taken back
            prefix_.clear();
            owner.write_prefix(prefix_);
            const std::size_t compared = offsetof(run_header, items);
            const std::size_t rest = sizeof(run_header);
            // What is claimed together belongs to one job, so that it can be cancelled alone.
            const bool same =
                run_at_ != no_run && (owner.limits().chunk == 1 || run_owner_ == &owner) &&
                run_prefix_ == prefix_.size() &&
                std::memcmp(message_.data() + run_at_, prefix_.data(), compared) == 0 &&
                std::memcmp(message_.data() + run_at_ + rest, prefix_.data() + rest,
                            prefix_.size() - rest) == 0;
            const std::size_t run_before = run_at_;
            if (!same) {
                append_padding(message_);
                run_at_ = message_.size();
                run_owner_ = &owner;
                run_prefix_ = prefix_.size();
                message_.append(prefix_.data(), prefix_.size());
            }
            const std::uint64_t written = owner.write_items(first, count, message_, failure);
            if (written == 0 && !same) {
                message_.truncate(before);
                run_at_ = run_before;
            } else {
                add_to_run(written);
            }
            return written;
        } catch (...) {
            message_.truncate(before);
            run_at_ = no_run;
            failure = std::current_exception();
            return 0;
        }
    }
    void add_to_run(std::uint64_t items) noexcept {
        std::byte* const place = message_.data() + run_at_ + offsetof(run_header, items);
        std::uint64_t count = 0;
        std::memcpy(&count, place, sizeof count);
        count += items;
        std::memcpy(place, &count, sizeof count);
    }

    void drop_front(std::uint64_t count) {
        slice& front = pending_.front();
        pending_items_ -= count;
        front.first += count;
        front.count -= count;
        if (front.count == 0)
            pending_.pop_front();
    }
    static bool out_of_memory(const std::exception_ptr& failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const std::system_error& error) {
            return error.code().value() == ENOSPC || error.code().value() == ENOMEM;
        } catch (...) {
            return false;
        }
    }

  public:
    static constexpr std::uint64_t unlimited_chunks = ~std::uint64_t{0};

  private:
    static constexpr std::size_t no_run = ~std::size_t{0};
    // A message that is nearly full is sent as it is: a spilled body costs more than a message.
    static constexpr std::size_t message_limit = channel_layout::message_size / 2 + 1024;

    arena* bodies_;
    std::deque<slice> pending_;
    std::uint64_t pending_items_ = 0;
    cost_table costs_;
    spill_buffer message_;
    heap_buffer prefix_;
    std::size_t run_at_ = no_run, run_prefix_ = 0;
    const remote_job* run_owner_ = nullptr;  // whose items began the run
    alignas(16) std::byte buffer_[channel_layout::message_size];
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
