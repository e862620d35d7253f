// SPDX-License-Identifier: BSL-1.0
// Sends workers their next items, in messages that are filled as packing.hpp says.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <system_error>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/memory/arena.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/packing.hpp>
#include <multiprocessing/pool/worker_slot.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

class dispatcher {
  public:
    explicit dispatcher(arena& bodies) : bodies_(&bodies), message_(bodies) {}

    void push_back(slice work) { pending_.push_back(std::move(work)); }
    /// Puts work that was taken back before everything else, in its order.
    void push_front(std::vector<slice> work) { pending_.push_front(std::move(work)); }
    [[nodiscard]] bool empty() const noexcept { return pending_.empty(); }
    [[nodiscard]] cost_table& costs() noexcept { return costs_; }

    /// Removes everything that is pending.
    std::deque<slice> take_all() noexcept { return pending_.take_all(); }
    /// What is left of a message that was packed last, and of which nobody else knows when that
    /// failed for want of memory.
    [[nodiscard]] const flight& packed() const noexcept { return packed_; }

    /// How many messages the worker should have for the work at the front.
    [[nodiscard]] bool wants_more(const worker_slot& worker) const noexcept {
        if (!worker.accepts_message() || worker.inside)
            return false;
        if (worker.flights.empty())
            return true;
        if (worker.flights.size() >= 2)
            return false;
        return !pending_.empty() && batch::is_sent_ahead(costs_.of(*pending_.front().owner));
    }

    /// So many more items like those that are pending are worth a message; none if these are, or
    /// there are none.
    [[nodiscard]] std::uint64_t missing() const noexcept {
        const std::uint64_t cost =
            pending_.empty() ? cost_table::unknown : costs_.of(*pending_.front().owner);
        if (cost == cost_table::unknown)
            return 0;
        const std::uint64_t enough = batch::worth_a_wake / cost + 1;
        return enough - std::min(enough, pending_.items());
    }

    enum class outcome { sent, blocked, nothing };
    /// Packs and sends one message of pending work.
    /// @param rejected gets the jobs that an item which cannot be written has settled
    /// @returns blocked when the worker is inside its queue, nothing when no work is left or there
    /// is no memory for it at the moment
    outcome send_next(worker_slot& worker, std::size_t workers, std::vector<job_ref>& rejected) {
        packed_ = flight{};
        flight& packed = packed_;
        packed.slices.reserve(usual_slices_);
        const std::uint64_t chunks_left = worker.chunks_left;
        pack(worker, workers, packed, rejected);
        if (packed.items == 0)
            return outcome::nothing;
        usual_slices_ = packed.slices.size();
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
        runs_.start_message(worker.chunks_left == unlimited_chunks ? run_writer::cut_chunks
                                                                   : run_writer::whole_chunks);
        batch filled = pending_.start_batch(workers);
        while (pending_.skip_settled()) {
            slice& front = pending_.front();
            remote_job& owner = *front.owner;
            if (worker.chunks_left == 0)  // used up within this message
                break;
            const std::uint64_t chunk = std::min(owner.limits().chunk, front.count);
            const std::uint64_t cost = costs_.of(owner);
            if (!filled.takes(chunk, cost) || message_.size() > message_limit)
                break;
            const std::uint64_t most = std::min<std::uint64_t>(
                portion(worker, chunk, cost, filled.share), claim::max_items - packed.items);
            if (most == 0)
                break;
            std::exception_ptr failure;
            const std::uint64_t written = runs_.write(owner, front.first, most, message_, failure);
            if (written != 0) {
                // The rest keeps its reference; most slices have none, and counting costs.
                // No memory for the slice is found out before the job is taken from where it was.
                slice& taken = packed.slices.emplace_back();
                job_ref holder = written == front.count ? std::move(front.owner) : front.owner;
                taken = {std::move(holder), front.first, written};
                packed.items += written;
                filled.add(written, cost);
                if (worker.chunks_left != unlimited_chunks)
                    --worker.chunks_left;
            }
            if (!failure) {
                pending_.drop_front(written);
                continue;
            }
            const bool others = bodies_->used() != message_.spilled_size() || packed.items != 0;
            if (others && out_of_memory(failure)) {
                pending_.drop_front(written);  // the rest waits until other payloads are gone
                break;
            }
            const job_ref keep = front.owner;
            owner.reject(front.first + written, failure);
            pending_.drop_front(written + 1);
            if (keep->settled())
                rejected.push_back(keep);
        }
    }

    /// How much of a chunk goes into a message: of one that is long and more than a fair share of
    /// what is left, no more than the share, so that no worker works long after all others are
    /// done. Whoever counts chunks gets whole ones.
    static std::uint64_t portion(const worker_slot& worker, std::uint64_t chunk, std::uint64_t cost,
                                 std::uint64_t share) noexcept {
        const bool is_long = cost != cost_table::unknown && cost * chunk > batch::quantum;
        return is_long && worker.chunks_left == unlimited_chunks ? std::min(chunk, share) : chunk;
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
    // A message that is nearly full is sent as it is: a spilled body costs more than a message.
    static constexpr std::size_t message_limit = channel_layout::message_size / 2 + 1024;

    arena* bodies_;
    pending_work pending_;
    cost_table costs_;
    run_writer runs_;
    flight packed_;
    std::size_t usual_slices_ = 1;  // of a message: as many as the last one had
    spill_buffer message_;
    alignas(16) std::byte buffer_[channel_layout::message_size];
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
