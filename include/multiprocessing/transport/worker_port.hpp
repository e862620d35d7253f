// SPDX-License-Identifier: BSL-1.0
// The worker's end of a channel: receives task messages, claims their items, sends results.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include <multiprocessing/memory/arena.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/os/spin.hpp>
#include <multiprocessing/transport/channel.hpp>
#include <multiprocessing/transport/item_port.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The descriptors a worker is started with.
struct worker_descriptors {
    os::descriptor channel;
    os::descriptor bell;             // wakes this worker
    os::descriptor pool;             // pool_control and the task arena
    os::descriptor waiter_bell;      // wakes a thread of the parent that waits for a result
    os::descriptor dispatcher_bell;  // wakes the pool's own thread
};

/// @note One thread.
class worker_port : public item_port {
  public:
    /// A task message that was opened.
    struct message {
        std::uint64_t number = 0;
        std::uint64_t items = 0;
        std::span<const std::byte> body;
    };

    worker_port(worker_descriptors descriptors, std::chrono::nanoseconds spin)
        : item_port(answer_),
          channel_(std::move(descriptors.channel)),
          pool_(std::move(descriptors.pool)),
          bell_(std::move(descriptors.bell)),
          waiter_bell_(std::move(descriptors.waiter_bell)),
          dispatcher_bell_(std::move(descriptors.dispatcher_bell)),
          map_(channel_.get(), 0, channel_layout::task_queue),
          pool_map_(pool_.get(), 0, sizeof(pool_control)),
          task_queue_(channel_.get(), channel_layout::task_queue, channel_layout::slots,
                      channel_layout::message_size, control().task_gate),
          result_queue_(channel_.get(), channel_layout::result_queue(), channel_layout::slots,
                        channel_layout::message_size, control().result_gate),
          tasks_(pool_.get(), pool_control::task_arena, os::memory_map::access::read),
          results_(channel_.get(), channel_layout::result_arena),
          answer_(results_),
          spin_(spin) {
        keep_claims_in(control());
    }

    /// Waits for a message that was not recalled and opens it.
    /// @returns false when the parent wants this worker to retire
    /// @throws std::system_error when this process no longer has the descriptors it needs
    bool receive(message& opened) {
        for (;;) {
            wait_for_message();
            os::backoff inside;  // the parent is inside the queue
            while (task_queue_.try_receive(buffer_, sizeof buffer_) == 0)
                inside.wait();
            task_header header;
            std::memcpy(&header, buffer_, sizeof header);
            received_ = received_ + 1;
            const bool open = header.number == 0 || try_open(header);
            control().received.store(received_, std::memory_order_release);
            if (header.number == 0)
                return false;
            if (!open)
                continue;
            opened.number = header.number;
            opened.items = header.items;
            opened.body = {header.location != 0 ? tasks_.at(header.location, header.size)
                                                : buffer_ + sizeof header,
                           header.size};
            start_answer(header.number);
            return true;
        }
    }

    void send_answer() {
        result_header header;
        header.number = number();
        header.items = finished_items();
        header.nanoseconds = os::steady_nanoseconds() - opened_at_;
        std::size_t inline_size = answer_.size();
        if (answer_.spilled()) {
            const arena_block block = answer_.take_block();
            blocks_.push_back({answered_ + 1, block});
            inline_size = 0;
        }
        std::byte* const slot = staging(header.number);
        // The number comes last: a slot that has it is complete. The location was kept all along.
        header_of(slot)->items = header.items;
        header_of(slot)->nanoseconds = header.nanoseconds;
        std::atomic_ref(header_of(slot)->number).store(header.number, std::memory_order_release);
        os::backoff inside;
        while (!result_queue_.try_send(slot, sizeof(result_header) + inline_size))
            inside.wait();
        control().answered.store(++answered_, std::memory_order_release);
        parent().answers.fetch_add(1, std::memory_order_release);
        ring_parent();
    }

    /// Begins the answer to no message: what the worker says when it is ready, or cannot become so.
    void start_greeting() { start_answer(0); }

  private:
    [[nodiscard]] channel_control& control() const noexcept {
        return *reinterpret_cast<channel_control*>(map_.data());
    }
    [[nodiscard]] pool_control& parent() const noexcept {
        return *reinterpret_cast<pool_control*>(pool_map_.data());
    }
    [[nodiscard]] std::byte* staging(std::uint64_t number) const noexcept {
        return map_.data() + channel_layout::staging +
               number % channel_layout::slots * channel_layout::message_size;
    }
    static result_header* header_of(std::byte* slot) noexcept {
        return reinterpret_cast<result_header*>(slot);
    }

    [[nodiscard]] bool has_message() const noexcept {
        return control().sent.load(std::memory_order_acquire) != received_;
    }

    void wait_for_message() {
        if (os::spin_until([this] { return has_message(); }, spin_))
            return;
        std::atomic<std::uint32_t>& asleep = control().asleep;
        for (;;) {
            asleep.store(1, std::memory_order_relaxed);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            if (!has_message())
                os::poll_readable(bell_.fd(), std::chrono::nanoseconds(-1));
            bell_.clear();
            asleep.store(0, std::memory_order_relaxed);
            if (has_message())
                return;
            if (!bell_.is_open())  // nobody could wake us: another worker is to take our place
                os::throw_system_error("a task closed the descriptors of its worker", EBADF);
        }
    }

    // The claim is read before void_through, and a recall stores them in the other order: then
    // either the void mark is seen here, or the recall sees this message open and cuts it short.
    bool try_open(const task_header& header) noexcept {
        std::uint64_t word = control().claim.load(std::memory_order_seq_cst);
        for (;;) {
            if (header.number <= control().void_through.load(std::memory_order_seq_cst))
                return false;
            claim open;
            open.message = static_cast<std::uint32_t>(header.number);
            open.limit = static_cast<std::uint32_t>(header.items);
            open.recalls = claim::unpack(word).recalls;
            if (control().claim.compare_exchange_strong(word, open.pack(),
                                                        std::memory_order_seq_cst))
                return true;
        }
    }

    void start_answer(std::uint64_t number) {
        const std::uint64_t collected = control().collected.load(std::memory_order_acquire);
        while (!blocks_.empty() && blocks_.front().answer <= collected) {
            results_.release(blocks_.front().block);
            blocks_.pop_front();
        }
        std::byte* const slot = staging(number);
        *header_of(slot) = {};
        answer_.start(
            {slot + sizeof(result_header), channel_layout::message_size - sizeof(result_header)},
            &header_of(slot)->location);
        start_items(number, *header_of(slot));
        opened_at_ = os::steady_nanoseconds();
    }

    void ring_parent() {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (parent().waiter_asleep.load(std::memory_order_relaxed) != 0)
            waiter_bell_.set();
        else if (parent().attended.load(std::memory_order_relaxed) == 0 &&
                 parent().dispatcher_asleep.load(std::memory_order_relaxed) != 0)
            dispatcher_bell_.set();
    }

    struct answer_block {
        std::uint64_t answer;
        arena_block block;
    };

    os::descriptor channel_, pool_;
    os::event bell_, waiter_bell_, dispatcher_bell_;
    os::memory_map map_, pool_map_;
    message_queue task_queue_, result_queue_;
    arena_view tasks_;
    arena results_;
    spill_buffer answer_;
    std::deque<answer_block> blocks_;  // of answers that the parent may not have read yet
    std::chrono::nanoseconds spin_;
    std::uint64_t received_ = 0, answered_ = 0, opened_at_ = 0;
    alignas(16) std::byte buffer_[channel_layout::message_size];
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
