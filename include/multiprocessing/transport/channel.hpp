// SPDX-License-Identifier: BSL-1.0
// The memory that a parent and one worker share: layout, claim record, and the words they wait on.
//
// One memory file per worker holds, in this order: the control page, the staging slots, the task
// queue (parent to worker), the result queue (worker to parent), and the arena of large results. A
// worker that dies takes its channel with it; nothing in it is used again.
//
// Messages to a worker are numbered 1, 2, 3, ... Each is answered by one result message, which the
// worker composes in staging slot `number % slots` before it sends a copy through the queue. So
// when it is killed, at whatever instant, every finished item is still readable in its slot, also
// when the kill poisoned the queue's mutex.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/transport/message_queue.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The claim record: which message a worker has open, how many of its items it has started, and how
/// many it may start. The worker raises `next`, the parent lowers `limit`, both by compare-and-swap
/// on one word: an item is either started by the worker or taken back by the parent, never both.
struct claim {
    static constexpr unsigned message_bits = 24, item_bits = 18, recall_bits = 4;
    static constexpr std::uint32_t max_items = (1U << item_bits) - 1;

    std::uint32_t message = 0;  // low bits of the message's number
    std::uint32_t next = 0;     // items started
    std::uint32_t limit = 0;    // items that may be started
    std::uint32_t recalls = 0;  // counts recalls, so that opening a message conflicts with one

    [[nodiscard]] std::uint64_t pack() const noexcept {
        std::uint64_t word = message & ((1U << message_bits) - 1);
        word = word << item_bits | next;
        word = word << item_bits | limit;
        return word << recall_bits | (recalls & ((1U << recall_bits) - 1));
    }
    static claim unpack(std::uint64_t word) noexcept {
        claim c;
        c.recalls = static_cast<std::uint32_t>(word & ((1U << recall_bits) - 1));
        word >>= recall_bits;
        c.limit = static_cast<std::uint32_t>(word & max_items);
        word >>= item_bits;
        c.next = static_cast<std::uint32_t>(word & max_items);
        c.message = static_cast<std::uint32_t>(word >> item_bits);
        return c;
    }
    [[nodiscard]] bool is(std::uint64_t number) const noexcept {
        return message == (number & ((1U << message_bits) - 1));
    }
};
static_assert(claim::message_bits + 2 * claim::item_bits + claim::recall_bits == 64);

/// The first page of a channel. All zero is its initial state.
struct channel_control {
    alignas(64) queue_gate task_gate;
    alignas(64) queue_gate result_gate;

    // written by the parent
    alignas(64) std::atomic<std::uint64_t> sent;  // number of the last task message sent
    std::atomic<std::uint64_t> void_through;      // messages up to it are void unless opened
    std::atomic<std::uint64_t> collected;         // result messages taken by the parent

    alignas(64) std::atomic<std::uint64_t> claim;  // both

    // written by the worker
    alignas(64) std::atomic<std::uint64_t> received;  // number of the last task message taken
    std::atomic<std::uint64_t> answered;              // result messages sent
    std::atomic<std::uint64_t> finished;    // low half of the open message's number << 32 | items
    std::atomic<std::uint64_t> running;     // the same word for the item that was begun last
    std::atomic<std::uint64_t> started_at;  // of that item, if it has a deadline: steady ns, else 0
    std::atomic<std::uint32_t> asleep;      // the worker waits for its bell
};
static_assert(sizeof(channel_control) <= 4096 && std::is_standard_layout_v<channel_control>);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

inline constexpr std::uint64_t item_word(std::uint64_t number, std::uint64_t items) noexcept {
    return number << 32 | items;
}

/// Sizes and places in a channel.
struct channel_layout {
    static constexpr std::size_t slots = 8;            // messages in flight, at most
    static constexpr std::size_t message_size = 4096;  // larger ones leave their body in an arena

    static constexpr std::size_t staging = 4096;
    static constexpr std::size_t task_queue = staging + slots * message_size;
    static std::size_t queue_bytes() { return message_queue::bytes(slots, message_size); }
    static std::size_t result_queue() { return page_align(task_queue + queue_bytes()); }
    static std::size_t fixed_bytes() { return page_align(result_queue() + queue_bytes()); }
    static constexpr std::size_t result_arena = std::size_t{1} << 20;

  private:
    static std::size_t page_align(std::size_t n) { return (n + 4095) / 4096 * 4096; }
};

/// The first page of the memory that all workers of a pool share with the parent; behind it comes
/// the arena of large tasks. It says who in the parent listens to the workers' results.
struct pool_control {
    static constexpr std::size_t task_arena = std::size_t{1} << 20;

    alignas(64) std::atomic<std::uint64_t> answers;   // result messages sent by all workers
    alignas(64) std::atomic<std::uint32_t> attended;  // a thread is awake and looks by itself
    std::atomic<std::uint32_t> waiter_asleep;         // a waiting thread sleeps on its bell
    std::atomic<std::uint32_t> dispatcher_asleep;     // the pool's own thread sleeps on its bell
};
static_assert(sizeof(pool_control) <= 4096);

/// Called after something was put where the sleeper looks. Together with `asleep = 1; fence; look
/// again; sleep` on the other side no wake-up is lost: either the sleeper's second look sees it, or
/// this load sees the flag. Only the sleeper clears its flag.
inline void ring_if_asleep(const std::atomic<std::uint32_t>& asleep, const os::event& bell) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (asleep.load(std::memory_order_relaxed) != 0)
        bell.set();
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
