// SPDX-License-Identifier: BSL-1.0
// The parent's end of a channel: sends task messages, collects results, takes back what the worker
// has not started, and reads what a dead worker left.
#pragma once

#include <boost/interprocess/exceptions.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include <multiprocessing/memory/arena.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/os/spin.hpp>
#include <multiprocessing/transport/channel.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Records of a worker: `items` items of message `number` are answered by `records`.
struct answer {
    std::uint64_t number = 0;
    std::uint64_t items = 0;
    std::uint64_t nanoseconds = 0;
    std::span<const std::byte> records;
    std::exception_ptr failure;  // why this process has no room for the records
};

/// @note One thread at a time.
class worker_link {
  public:
    /// Makes the channel of a worker that is about to be started.
    /// @throws std::system_error when there is no shared memory or no descriptor left
    worker_link()
        : channel_(os::create_memory("multiprocessing channel", 0)),
          map_(prepare(channel_.get()), 0, channel_layout::task_queue),
          task_queue_(channel_.get(), channel_layout::task_queue, channel_layout::slots,
                      channel_layout::message_size, control().task_gate),
          result_queue_(channel_.get(), channel_layout::result_queue(), channel_layout::slots,
                        channel_layout::message_size, control().result_gate),
          results_(channel_.get(), channel_layout::result_arena, os::memory_map::access::read) {}

    [[nodiscard]] int channel() const noexcept { return channel_.get(); }
    [[nodiscard]] int bell() const noexcept { return bell_.fd(); }

    /// The number that the next message will have.
    [[nodiscard]] std::uint64_t next_number() const noexcept { return sent_ + 1; }

    /// True when another message fits the queue. The caller also keeps fewer than `slots` messages
    /// unanswered, so that the worker finds room for its answer without waiting.
    [[nodiscard]] bool has_room() const noexcept {
        return sent_ - control().received.load(std::memory_order_acquire) < channel_layout::slots;
    }

    /// Sends a message: a task_header and, if that says so, the body.
    /// @returns false when the worker is inside the queue: try again soon
    bool try_send(std::span<const std::byte> message) {
        if (poisoned_)
            return false;
        bool done = false;
        try {
            for (int tries = 0; !done && tries < 64; ++tries) {
                done = task_queue_.try_send(message.data(), message.size());
                if (!done)
                    os::relax();
            }
        } catch (const bip::interprocess_exception&) {
            poisoned_ = true;  // the worker died inside; its end will be reported
        }
        if (!done)
            return false;
        control().sent.store(++sent_, std::memory_order_release);
        ring_if_asleep(control().asleep, bell_);
        return true;
    }

    /// Rings again for a worker that sleeps on messages: nothing known makes that necessary.
    void remind() {
        if (sent_ != control().received.load(std::memory_order_acquire))
            ring_if_asleep(control().asleep, bell_);
    }

    [[nodiscard]] bool has_answer() const noexcept {
        return !poisoned_ && control().answered.load(std::memory_order_acquire) != collected_;
    }

    /// Takes the next result message. What it refers to stays valid until `release_answer`.
    /// @returns nothing when there is none, or the worker is inside the queue
    /// @throws UnpicklingError when the message is damaged
    std::optional<answer> receive() {
        if (!has_answer())
            return std::nullopt;
        std::size_t size = 0;
        try {
            for (int tries = 0; size == 0 && tries < 64; ++tries) {
                size = result_queue_.try_receive(buffer_, sizeof buffer_);
                if (size == 0)
                    os::relax();
            }
        } catch (const bip::interprocess_exception&) {
            poisoned_ = true;
        }
        if (size == 0)
            return std::nullopt;
        result_header header;
        if (size < sizeof header)
            throw UnpicklingError("a worker's result message is damaged");
        std::memcpy(&header, buffer_, sizeof header);
        if (header.location == 0 && header.size > size - sizeof header)
            throw UnpicklingError("a worker's result message is damaged");
        answer got{header.number, header.items, header.nanoseconds, {}, nullptr};
        try {
            got.records = records_at(header, buffer_);
        } catch (const std::system_error&) {
            got.failure = std::current_exception();
        }
        return got;
    }
    void release_answer() noexcept {
        control().collected.store(++collected_, std::memory_order_release);
    }

    /// How far the worker is: it opened messages up to `number`, and of that one it has started
    /// `items` items. Messages before it are answered, or about to be.
    struct position {
        std::uint64_t number = 0;
        std::uint64_t items = 0;
    };

    /// Takes back every item that the worker has not started; messages behind the returned position
    /// are void.
    /// @param oldest number of the oldest message that is not answered
    position recall(std::uint64_t oldest) noexcept {
        control().void_through.store(sent_, std::memory_order_seq_cst);
        std::uint64_t word = control().claim.load(std::memory_order_seq_cst);
        claim cut;
        do {
            cut = claim::unpack(word);
            cut.limit = cut.next;
            ++cut.recalls;
        } while (
            !control().claim.compare_exchange_weak(word, cut.pack(), std::memory_order_seq_cst));
        for (std::uint64_t number = oldest; number <= sent_; ++number)
            if (cut.is(number))
                return {number, cut.next};
        return {oldest - 1, 0};  // what it opened last is answered already
    }

    /// How many items the worker has started of the messages since `oldest`, without taking back.
    [[nodiscard]] position look(std::uint64_t oldest) const noexcept {
        const claim now = claim::unpack(control().claim.load(std::memory_order_acquire));
        for (std::uint64_t number = oldest; number <= sent_; ++number)
            if (now.is(number))
                return {number, now.next};
        return {oldest - 1, 0};
    }

    /// The item that the worker executes, and since when if it has a deadline.
    struct activity {
        std::uint64_t running = 0;   // item_word
        std::uint64_t finished = 0;  // item_word: how many items of the open message are done
        std::uint64_t started_at = 0;

        /// Whether the item was begun and is not finished.
        [[nodiscard]] bool busy() const noexcept {
            return running >> 32 == finished >> 32 && finished <= running;
        }
    };
    [[nodiscard]] activity watch() const noexcept {
        const std::uint64_t running = control().running.load(std::memory_order_acquire);
        const std::uint64_t started = control().started_at.load(std::memory_order_relaxed);
        return {running, complete(running, control().finished.load(std::memory_order_acquire)),
                started};
    }

    /// The records that the worker has finished of message `number`, read where it composes them:
    /// for a worker that died, or that is busy with a later item of the message.
    /// @param known that many items are known already: nothing is returned when there are no more
    /// @param copy where they are put; nothing is returned when they moved meanwhile
    std::optional<answer> staged(std::uint64_t number, std::uint64_t known,
                                 std::vector<std::byte>& copy) {
        auto* const slot = reinterpret_cast<result_header*>(map_.data() + channel_layout::staging +
                                                            number % channel_layout::slots *
                                                                channel_layout::message_size);
        const std::uint64_t finished = complete(control().running.load(std::memory_order_acquire),
                                                control().finished.load(std::memory_order_acquire));
        const bool answered =
            std::atomic_ref(slot->number).load(std::memory_order_acquire) == number;
        if (!answered && finished >> 32 != (number & 0xffffffffU))
            return std::nullopt;
        result_header header;
        std::memcpy(&header, slot, sizeof header);
        // A size that was read after a move belongs to the new place: that is no damage.
        std::atomic_thread_fence(std::memory_order_acquire);
        if (std::atomic_ref(slot->location).load(std::memory_order_relaxed) != header.location)
            return std::nullopt;
        const std::uint64_t items = answered ? header.items : finished & 0xffffffffU;
        if (items <= known)
            return std::nullopt;
        answer found{number, items, 0, {}, nullptr};
        try {
            const auto records = records_at(header, reinterpret_cast<std::byte*>(slot));
            copy.assign(records.begin(), records.end());
            found.records = copy;
        } catch (const std::system_error&) {
            found.failure = std::current_exception();
        } catch (const std::bad_alloc&) {
            found.failure = std::current_exception();
        }
        std::atomic_thread_fence(std::memory_order_acquire);
        if (std::atomic_ref(slot->location).load(std::memory_order_relaxed) != header.location ||
            control().finished.load(std::memory_order_relaxed) >> 32 != finished >> 32)
            return std::nullopt;
        return found;
    }

  private:
    /// Items are executed in order: when one was begun, those before it are done.
    static std::uint64_t complete(std::uint64_t running, std::uint64_t finished) noexcept {
        return running >> 32 == finished >> 32 ? std::max(running, finished) : finished;
    }
    static int prepare(int fd) {
        os::allocate(fd, 0, channel_layout::fixed_bytes());
        message_queue::format(fd, channel_layout::task_queue, channel_layout::slots,
                              channel_layout::message_size);
        message_queue::format(fd, channel_layout::result_queue(), channel_layout::slots,
                              channel_layout::message_size);
        // Behind the queues the arena begins; its file range grows by allocation.
        os::resize(fd, channel_layout::result_arena);
        return fd;
    }
    [[nodiscard]] channel_control& control() const noexcept {
        return *reinterpret_cast<channel_control*>(map_.data());
    }
    [[nodiscard]] std::span<const std::byte> records_at(const result_header& header,
                                                        const std::byte* slot) {
        if (header.location == 0) {
            if (header.size > channel_layout::message_size - sizeof header)
                throw UnpicklingError("a worker's result message is damaged");
            return {slot + sizeof header, header.size};
        }
        return {results_.at(header.location, header.size), header.size};
    }

    os::descriptor channel_;
    os::event bell_;
    os::memory_map map_;
    message_queue task_queue_, result_queue_;
    arena_view results_;
    std::uint64_t sent_ = 0, collected_ = 0;
    bool poisoned_ = false;
    alignas(16) std::byte buffer_[channel_layout::message_size];
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
