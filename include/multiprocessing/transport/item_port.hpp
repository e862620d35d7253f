// SPDX-License-Identifier: BSL-1.0
// Where a worker says which items of a message it has claimed, begun and finished, and where the
// records of their results go; the same whether messages come through shared memory or by MPI.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/os/spin.hpp>
#include <multiprocessing/transport/channel.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @note One thread. The control page may be read and its claim lowered by another process.
class item_port {
  public:
    item_port(const item_port&) = delete;
    item_port& operator=(const item_port&) = delete;

    /// Claims up to `most` further items of the open message.
    /// @returns how many; 0 when there are none, or the parent took them back
    std::uint32_t claim_items(std::uint32_t most) noexcept {
        std::uint64_t word = control_->claim.load(std::memory_order_acquire);
        for (;;) {
            claim now = claim::unpack(word);
            const std::uint32_t count = std::min(most, now.limit - now.next);
            if (count == 0)
                return 0;
            now.next += count;
            if (control_->claim.compare_exchange_weak(word, now.pack(), std::memory_order_acq_rel,
                                                      std::memory_order_acquire))
                return count;
        }
    }

    /// Records that claimed item `index` is being executed, and with it that those before it are
    /// done: their records must be complete in the answer. `timed` items carry their start.
    void begin_item(std::uint64_t index, bool timed) noexcept {
        if (timed)
            start_clock();
        begin_items(index).begin(0);
    }
    /// For claimed items that are executed in a row: `begin(i)` is `begin_item(index + i)`.
    class item_progress {
      public:
        item_progress() = default;
        item_progress(std::atomic<std::uint64_t>& running, std::uint64_t first) noexcept
            : running_(&running), first_(first) {}
        void begin(std::uint64_t i) const noexcept {
            running_->store(first_ + i, std::memory_order_release);
        }

      private:
        std::atomic<std::uint64_t>* running_ = nullptr;
        std::uint64_t first_ = 0;
    };
    [[nodiscard]] item_progress begin_items(std::uint64_t index) const noexcept {
        return {control_->running, item_word(number_, index)};
    }
    /// The item that is begun next has a time limit, and starts now.
    void start_clock() noexcept {
        control_->started_at.store(os::steady_nanoseconds(), std::memory_order_relaxed);
    }
    /// Says how many bytes of the answer hold complete records, or will do when their items are.
    void cover(std::uint64_t bytes) noexcept {
        // After their place: whoever sees this size sees that they have moved.
        std::atomic_ref(slot_->size).store(bytes, std::memory_order_release);
    }
    /// Records that the records of `items` items are complete in the answer.
    void finish_items(std::uint64_t items) noexcept {
        finished_items_ = items;
        cover(answer_->size());
        control_->finished.store(item_word(number_, items), std::memory_order_release);
    }

    /// Where the records of the open message go.
    [[nodiscard]] output_buffer& answer() noexcept { return *answer_; }

  protected:
    explicit item_port(output_buffer& answer) noexcept : answer_(&answer) {}
    ~item_port() = default;

    /// Called once, before anything else. @param control lives as long as this
    void keep_claims_in(channel_control& control) noexcept { control_ = &control; }
    /// Begins message `number`, whose answer `slot` describes: nothing of it is there.
    void start_items(std::uint64_t number, result_header& slot) noexcept {
        number_ = number;
        slot_ = &slot;
        control_->started_at.store(0, std::memory_order_relaxed);
        finish_items(0);
    }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] std::uint64_t finished_items() const noexcept { return finished_items_; }

  private:
    output_buffer* answer_;
    channel_control* control_ = nullptr;
    result_header* slot_ = nullptr;
    std::uint64_t number_ = 0, finished_items_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
