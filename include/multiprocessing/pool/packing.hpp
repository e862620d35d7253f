// SPDX-License-Identifier: BSL-1.0
// How pending work becomes messages, whether they go to processes of this machine or to ranks.
//
// Waking a sleeper costs a hundred times what a queue operation costs, so a message carries as many
// short items as are ready; but an item that waits behind a long one in the wrong worker's queue
// costs more still. So the batch follows the measured time per item: one chunk while that is
// unknown, then up to `quantum` of work, never more than a worker's fair share of what is pending.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/pool/job.hpp>
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

/// What is in a message so far, and whether more should be.
struct batch {
    static constexpr std::uint64_t quantum = 100'000;           // nanoseconds of work in a message
    static constexpr std::uint64_t prefetch_limit = 5'000'000;  // longer items are not queued ahead
    static constexpr std::uint64_t negligible = 10'000;  // less work is not worth a second wake-up
    static constexpr std::uint64_t worth_a_wake = 50'000;  // less work waits for more of it

    std::uint64_t share;      // of what is pending, a worker's: in items
    std::uint64_t items = 0;  // in the message
    std::uint64_t work = 0;   // nanoseconds that they take

    /// Whether a chunk of items that cost so much goes into the message, too.
    [[nodiscard]] bool takes(std::uint64_t chunk, std::uint64_t cost) const noexcept {
        if (items == 0)
            return true;
        const std::uint64_t then = work + cost * chunk;
        return cost != cost_table::unknown && then <= quantum &&
               (items + chunk <= share || then <= negligible);
    }
    void add(std::uint64_t count, std::uint64_t cost) noexcept {
        items += count;
        work += cost * count;
    }
    /// Whether a worker that has something to do is sent a message of such items, too.
    [[nodiscard]] static bool is_sent_ahead(std::uint64_t cost) noexcept {
        return cost != cost_table::unknown && cost < prefetch_limit;
    }
};

/// Work that is in no message, in the order in which it is to be done.
class pending_work {
  public:
    void push_back(slice work) {
        items_ += work.count;
        slices_.push_back(std::move(work));
    }
    /// Puts work that was taken back before everything else, in its order.
    void push_front(std::vector<slice> work) {
        for (auto part = work.rbegin(); part != work.rend(); ++part) {
            items_ += part->count;
            slices_.push_front(std::move(*part));
        }
    }
    [[nodiscard]] bool empty() const noexcept { return slices_.empty(); }
    [[nodiscard]] slice& front() noexcept { return slices_.front(); }
    [[nodiscard]] const slice& front() const noexcept { return slices_.front(); }
    /// Drops what was cancelled or failed as a whole. @returns whether something is left
    bool skip_settled() noexcept {
        while (!slices_.empty() && slices_.front().owner->settled())
            drop_front(slices_.front().count);
        return !slices_.empty();
    }
    /// How many items there are, of all that is pending.
    [[nodiscard]] std::uint64_t items() const noexcept { return items_; }
    void drop_front(std::uint64_t count) noexcept {
        slice& front = slices_.front();
        items_ -= count;
        front.first += count;
        front.count -= count;
        if (front.count == 0)
            slices_.pop_front();
    }
    /// Removes everything.
    std::deque<slice> take_all() noexcept {
        items_ = 0;
        return std::exchange(slices_, {});
    }
    /// A batch for one of so many workers.
    [[nodiscard]] batch start_batch(std::size_t workers) const noexcept {
        return {std::max<std::uint64_t>(1, items_ / (2 * std::max<std::size_t>(workers, 1)))};
    }

  private:
    std::deque<slice> slices_;
    std::uint64_t items_ = 0;
};

/// Writes items into a message as runs: those that have a prefix in common stand behind it.
class run_writer {
  public:
    /// A chunk with more bytes is cut: messages of this size find their memory in the caches, and
    /// take little that was never used before.
    static constexpr std::size_t cut_chunks = std::size_t{96} << 10;
    /// For workers whose chunks are counted: cut where one message would take too much memory.
    static constexpr std::size_t whole_chunks = std::size_t{4} << 20;

    /// @param enough a run with so many bytes gets no further item
    void start_message(std::size_t enough) noexcept {
        run_at_ = no_run;
        enough_ = enough;
    }

    /// Appends items `first` to `first + count`, as far as that goes. An item that cannot be
    /// written leaves nothing behind.
    /// @param joins whether they may be appended to the last run
    /// @returns how many were written; `failure` is why the next one could not be
    std::uint64_t write(remote_job& owner, std::uint64_t first, std::uint64_t count,
                        output_buffer& message, std::exception_ptr& failure, bool joins = true) {
        const std::size_t before = message.size();
        began_ = false;
        try {
            const sender_keeps keeps;  // the job does, and tasks may be taken back
            if (!joins || !repeats_call(owner)) {
                prefix_.clear();
                owner.write_prefix(prefix_);
                if (!joins || !continues_run(owner, message))
                    begin_run(owner, message);
            }
            const std::uint64_t written =
                owner.write_items(first, count, enough_items(), message, failure);
            if (written == 0)
                forget(message, before);
            else
                add_to_run(message, written);
            return written;
        } catch (...) {
            forget(message, before);
            failure = std::current_exception();
            return 0;
        }
    }
    /// Whether the last `write` began a run.
    [[nodiscard]] bool began() const noexcept { return began_; }

  private:
    /// Bytes of items: a long prefix is to be a small part of what is sent.
    [[nodiscard]] std::size_t enough_items() const noexcept {
        return std::clamp(8 * run_prefix_, enough_, whole_chunks);
    }
    void begin_run(const remote_job& owner, output_buffer& message) {
        began_ = true;
        append_padding(message);
        run_at_ = message.size();
        run_owner_ = &owner;
        run_prefix_ = prefix_.size();
        message.append(prefix_.data(), prefix_.size());
    }
    /// Whether a job's prefix need not be written to know that it is the last run's.
    [[nodiscard]] bool repeats_call(const remote_job& owner) const noexcept {
        if (run_at_ == no_run || run_owner_ == &owner)
            return run_at_ != no_run;
        const job_limits& limits = owner.limits();
        const job_limits& of_run = run_owner_->limits();
        return limits.chunk == 1 && of_run.chunk == 1 && limits.timeout == of_run.timeout &&
               owner.called().is(run_owner_->called());
    }
    // What is claimed together belongs to one job, so that it can be cancelled alone.
    [[nodiscard]] bool continues_run(const remote_job& owner,
                                     const output_buffer& message) const noexcept {
        constexpr std::size_t compared = offsetof(run_header, items);
        constexpr std::size_t rest = sizeof(run_header);
        return run_at_ != no_run && (owner.limits().chunk == 1 || run_owner_ == &owner) &&
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
    /// Nothing was written: a run that was begun for it is not there. The one before stays.
    void forget(output_buffer& message, std::size_t size) noexcept {
        message.truncate(size);
        if (std::exchange(began_, false))
            run_at_ = no_run;
    }

    static constexpr std::size_t no_run = ~std::size_t{0};

    heap_buffer prefix_;
    std::size_t run_at_ = no_run, run_prefix_ = 0, enough_ = cut_chunks;
    const remote_job* run_owner_ = nullptr;  // whose items began the run; its flight keeps it
    bool began_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
