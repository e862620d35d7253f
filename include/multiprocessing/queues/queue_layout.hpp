// SPDX-License-Identifier: BSL-1.0
// What lies in a queue's memory: the control page with its positions and locks.
//
// `tail` says where the next item goes, `head` which is taken next: each is one word that holds a
// place, a count of items and a count of jumps, so that ONE store puts an item in and one takes it
// out. Putters take turns by one robust lock, getters by another. So if a process dies
//   - putting, before it stores `tail`: nothing has happened; what it wrote is written over;
//   - getting, before it stores `head`: the item is still there, for another;
//   - after that store, before it wakes anybody: sleepers look once in a slice;
//   - holding either lock: the next owner goes on, for the state behind it is whole at every
//     moment;
//   - asleep: it stays counted among the sleepers, until wake-ups that wake nobody have shown that.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <multiprocessing/os/futex.hpp>
#include <multiprocessing/os/robust_mutex.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Where a queue's tail or head is, in one word: a place in the log, in units; how many items were
/// ever there and how many jumps, both modulo their ranges. The counts lie in the low half, which
/// changes with every item: sleepers wait on that.
class log_position {
  public:
    static constexpr std::uint64_t unit = 16;
    static constexpr std::uint32_t count_mask = (1u << 28) - 1;

    constexpr explicit log_position(std::uint64_t word = 0) noexcept : word_(word) {}
    constexpr log_position(std::uint64_t offset, std::uint32_t jumps, std::uint32_t count) noexcept
        : word_(offset / unit << 32 | (jumps & 15) << 28 | (count & count_mask)) {}

    [[nodiscard]] std::uint64_t offset() const noexcept { return (word_ >> 32) * unit; }
    [[nodiscard]] std::uint32_t jumps() const noexcept { return word_ >> 28 & 15; }
    [[nodiscard]] std::uint32_t count() const noexcept { return word_ & count_mask; }
    [[nodiscard]] std::uint64_t word() const noexcept { return word_; }

    /// How many items lie from `head` to here.
    [[nodiscard]] std::uint32_t items_since(log_position head) const noexcept {
        return (count() - head.count()) & count_mask;
    }
    [[nodiscard]] std::uint32_t jumps_since(log_position head) const noexcept {
        return (jumps() - head.jumps()) & 15;
    }

  private:
    std::uint64_t word_;
};

/// What stands in the log before the bytes of an item, or alone where the log jumps.
struct log_record {
    std::uint64_t size;
    std::uint64_t jump_to;  ///< of a jump
};
static_assert(sizeof(log_record) == log_position::unit);

/// What lies at the beginning of a queue's memory.
struct queue_control {
    // written by putters, under `putting`
    alignas(64) os::robust_mutex putting;
    std::uint64_t top = 0;  ///< behind all that the log ever used
    // a line of its own, which both sides read with every item and few write
    alignas(64) std::atomic<std::uint64_t> allocated{0};  ///< so much of the log has pages
    alignas(64) std::atomic<std::uint64_t> tail{0};
    os::futex_word getters{0};  ///< how many sleep until something is put
    // written by getters, under `getting`
    alignas(64) os::robust_mutex getting;
    std::uint64_t largest = 0;  ///< bytes of the largest item lately
    alignas(64) std::atomic<std::uint64_t> head{0};
    os::futex_word putters{0};  ///< how many sleep until there is room
    // written by all
    alignas(64) os::futex_word done{0};  ///< tasks done, modulo the range of counts
    os::futex_word joiners{0};
    std::atomic<std::uint32_t> vain{0};  ///< wake-ups in a row that woke nobody
    std::uint32_t most;                  ///< items at the same time

    explicit queue_control(std::uint32_t most_items) : most(most_items) {}
};
static_assert(std::is_trivially_destructible_v<queue_control>);

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
