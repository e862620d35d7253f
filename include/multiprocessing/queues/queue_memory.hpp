// SPDX-License-Identifier: BSL-1.0
// A queue of byte strings as it lies in shared memory: a log that many processes append to and
// read.
//
// One file: a control page, then the log. An item is a record of 16 bytes, its length first, and
// its bytes behind. `tail` says where the next record goes, `head` which is taken next: each is one
// word that holds a place, a count of items and a count of jumps, so that ONE store puts an item in
// and one takes it out. Putters take turns by one robust lock, getters by another. So if a process
// dies
//   - putting, before it stores `tail`: nothing has happened; what it wrote is written over;
//   - getting, before it stores `head`: the item is still there, for another;
//   - after that store, before it wakes anybody: sleepers look once in a slice;
//   - holding either lock: the next owner goes on, for the state behind it is whole at every
//   moment;
//   - asleep: it stays counted among the sleepers, until wake-ups that wake nobody have shown that.
//
// The log is not a plain ring, because an unlimited queue never waits for its reader. Where it
// would grow and the room before `head` is as large as what is in use, it jumps back to the
// beginning, to pages that are warm; a record that says so stands at the place of the jump. When it
// then meets `head`, it jumps up again, to `top`, behind all that was ever used. At most two jumps
// are ahead of the reader. Pages are allocated before they are touched and given back when the
// queue is empty.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/os/futex.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/os/robust_mutex.hpp>
#include <multiprocessing/os/spin.hpp>

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
    std::uint64_t largest = 0;  ///< bytes of the largest item so far
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

/// A queue's memory as one process sees it. All members may be called by any thread.
class queue_memory {
  public:
    /// So many items fit any queue.
    static constexpr std::uint32_t highest = log_position::count_mask;
    /// An item has at most so many bytes.
    static constexpr std::uint64_t largest_item = std::uint64_t{1} << 34;

    queue_memory() = default;
    /// @throws std::system_error when there is no memory, address space or descriptor to be had
    explicit queue_memory(std::uint32_t most)
        : block_(shared_block::reserve(control_room + capacity)) {
        new (block_.data()) queue_control(most);
    }

    [[nodiscard]] std::uint32_t size() const noexcept {
        for (;;) {  // a head that moved meanwhile would make the difference too large
            const log_position head = load(control().head);
            const log_position tail = load(control().tail);
            if (load(control().head).word() == head.word())
                return tail.items_since(head);
        }
    }
    [[nodiscard]] std::uint32_t most() const noexcept { return control().most; }

    /// Appends an item.
    /// @returns false when the queue is full until the deadline
    /// @throws std::system_error (ENOSPC, ENOMEM): then the queue is as before; KeyboardInterrupt
    bool put(std::span<const std::byte> bytes, const Deadline& deadline) {
        queue_control& c = control();
        return attempt([&] { return try_put(bytes, deadline); }, c.putters, c.head,
                       [&] { return size() < c.most; }, deadline);
    }

    /// Takes the next item out.
    /// @param copy called with its bytes; it copies them and does nothing else, for others wait.
    /// The
    ///     item stays if it throws
    /// @returns false when there is none until the deadline
    template <class Copy>
    bool get(Copy copy, const Deadline& deadline) {
        queue_control& c = control();
        return attempt([&] { return try_get(copy, deadline); }, c.getters, c.tail,
                       [&] { return size() > 0; }, deadline);
    }

    // JoinableQueue

    /// Items that were put and not reported as done.
    [[nodiscard]] std::uint32_t unfinished() const noexcept {
        return (load(control().tail).count() - control().done.load()) & log_position::count_mask;
    }
    /// @returns false when all items are done already
    bool task_done() noexcept {
        queue_control& c = control();
        std::uint32_t seen = c.done.load();
        do {
            if (((load(c.tail).count() - seen) & log_position::count_mask) == 0)
                return false;
        } while (!c.done.compare_exchange_weak(seen, seen + 1));
        if (c.joiners.load() > 0 && unfinished() == 0)
            os::futex_wake_all(c.done);
        return true;
    }
    /// Waits until all items are done. @returns false when the deadline passes
    bool join(const Deadline& deadline) {
        queue_control& c = control();
        for (;;) {
            const std::uint32_t seen = c.done.load();
            if (unfinished() == 0)
                return true;
            if (deadline.expired())
                return false;
            ++c.joiners;
            os::futex_wait(c.done, seen, deadline.remaining());
            --c.joiners;
            check_interrupt();
        }
    }

    friend bool operator==(const queue_memory&, const queue_memory&) = default;
    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        block_.serialize(archive, version);
        if constexpr (Archive::is_loading::value)
            if (block_.size() != control_room + capacity)
                throw UnpicklingError("unpickling: the memory of a queue is damaged");
    }

  private:
    struct record {
        std::uint64_t size;
        std::uint64_t jump_to;  ///< of a jump
    };
    static constexpr std::uint64_t is_jump = ~std::uint64_t{0};
    static_assert(sizeof(record) == log_position::unit);

    static constexpr std::size_t page = 4096;
    static constexpr std::size_t control_room = page - segment::first_block;
    /// Addresses, not memory: more than any machine's queue holds.
    static constexpr std::uint64_t capacity = std::uint64_t{1} << 36;
    static constexpr std::uint64_t smallest_growth = 64 * 1024;
    static constexpr std::uint64_t largest_growth = 16 * 1024 * 1024;
    static constexpr std::uint64_t smallest_kept = 1024 * 1024;
    static_assert(sizeof(queue_control) <= control_room);

    [[nodiscard]] queue_control& control() const noexcept {
        return *std::launder(block_.as<queue_control>());
    }
    [[nodiscard]] std::byte* log() const noexcept { return block_.data() + control_room; }
    static log_position load(const std::atomic<std::uint64_t>& word) noexcept {
        return log_position(word.load());
    }
    void write(std::uint64_t offset, record value) noexcept {
        std::memcpy(log() + offset, &value, sizeof value);
    }
    [[nodiscard]] record read(std::uint64_t offset) const noexcept {
        record value;
        std::memcpy(&value, log() + offset, sizeof value);
        return value;
    }
    static std::uint64_t room_for(std::uint64_t size) noexcept {
        constexpr std::uint64_t unit = log_position::unit;
        return sizeof(record) + (size + unit - 1) / unit * unit;
    }

    /// What is done under one of the two locks. The last owner's death is no matter here.
    class section {
      public:
        section(os::robust_mutex& mutex, const Deadline& deadline)
            : mutex_(mutex), got_(mutex.try_lock()) {
            if (got_ ==
                os::grant::refused)  // it is held for a moment, unless its holder is stopped
                got_ = mutex.lock_unless_interrupted(
                    deadline.never() ? deadline
                                     : Deadline(deadline.remaining(longest) + wait_slice));
        }
        section(const section&) = delete;
        section& operator=(const section&) = delete;
        ~section() {
            if (*this)
                mutex_.unlock();
        }
        [[nodiscard]] explicit operator bool() const noexcept { return got_ != os::grant::refused; }

      private:
        static constexpr std::chrono::nanoseconds longest = std::chrono::hours(1'000'000);

        os::robust_mutex& mutex_;
        os::grant got_;
    };

    // ---- putting

    bool try_put(std::span<const std::byte> bytes, const Deadline& deadline) {
        queue_control& c = control();
        if (c.most != highest && size() >= c.most)
            return false;
        const section guard(c.putting, deadline);
        if (!guard)
            return false;
        const log_position head = load(c.head);
        const log_position tail = load(c.tail);
        if (tail.items_since(head) >= c.most)
            return false;
        const std::uint64_t room = room_for(bytes.size());
        std::uint32_t jumps = tail.jumps();
        const std::uint64_t place = find_room(head, tail, room);
        if (place != tail.offset()) {
            write(tail.offset(), {is_jump, place});
            ++jumps;
        }
        write(place, {bytes.size(), 0});
        if (!bytes.empty())
            std::memcpy(log() + place + sizeof(record), bytes.data(), bytes.size());
        const std::uint64_t end = place + room;
        c.top = std::max(c.top, end + sizeof(record));
        c.tail.store(log_position(end, jumps, tail.count() + 1).word());
        wake(c.getters, c.tail);
        return true;
    }

    /// Where a record of `room` bytes can go, so that a jump has room behind it; its pages exist.
    std::uint64_t find_room(log_position head, log_position tail, std::uint64_t room) {
        queue_control& c = control();
        const std::uint64_t at = tail.offset();
        const std::uint64_t need = room + sizeof(record);
        const std::uint32_t ahead = tail.jumps_since(head);
        if (ahead == 1 && at < head.offset()) {  // it has jumped back, and `head` not yet
            const std::uint64_t place = at + need <= head.offset() ? at : c.top;
            allocate(place + need);
            return place;
        }
        const bool grows = at + need > c.allocated.load(std::memory_order_relaxed);
        const bool room_behind = ahead == 0 && head.offset() >= std::max(need, at - head.offset());
        const std::uint64_t place = grows && room_behind ? 0 : at;
        allocate(place + need);
        return place;
    }

    void allocate(std::uint64_t end) {
        queue_control& c = control();
        const std::uint64_t has = c.allocated.load(std::memory_order_relaxed);
        if (end <= has)
            return;
        const std::uint64_t step = std::clamp(has, smallest_growth, largest_growth);
        const std::uint64_t wanted =
            std::min(capacity, (std::max(end, has + step) + page - 1) / page * page);
        if (end > capacity)
            os::throw_system_error("Queue.put: the queue holds 64 GiB", ENOSPC);
        os::allocate(block_.fd(), file_offset(has), wanted - has);
        c.allocated.store(wanted, std::memory_order_relaxed);
    }
    [[nodiscard]] std::size_t file_offset(std::uint64_t log_offset) const noexcept {
        return block_.file_begin() + control_room + log_offset;
    }

    // ---- getting

    template <class Copy>
    bool try_get(Copy& copy, const Deadline& deadline) {
        queue_control& c = control();
        if (size() == 0)
            return false;
        const section guard(c.getting, deadline);
        if (!guard)
            return false;
        const log_position head = load(c.head);
        if (load(c.tail).items_since(head) == 0)
            return false;
        std::uint64_t place = head.offset();
        std::uint32_t jumps = head.jumps();
        record found = read(place);
        if (found.size == is_jump) {
            place = found.jump_to;
            ++jumps;
            found = place < capacity ? read(place) : record{is_jump, 0};
        }
        if (found.size > largest_item || place + room_for(found.size) > capacity)
            throw UnpicklingError("Queue.get: the queue's memory is damaged");
        copy(std::span<const std::byte>(log() + place + sizeof(record), found.size));
        const log_position next(place + room_for(found.size), jumps, head.count() + 1);
        c.largest = std::max(c.largest, found.size);
        c.head.store(next.word());
        if (c.most != highest)
            wake(c.putters, c.head);
        if (c.allocated.load(std::memory_order_relaxed) > 2 * kept() &&
            load(c.tail).items_since(next) == 0)
            give_back();
        return true;
    }

    /// An empty queue keeps so much: some items like the largest one, so that a queue that is often
    /// empty does not pay for fresh pages with each.
    [[nodiscard]] std::uint64_t kept() const noexcept {
        return smallest_kept + (3 * control().largest + page - 1) / page * page;
    }

    /// Gives the pages of an empty queue back. The caller holds `getting`.
    void give_back() {
        queue_control& c = control();
        const os::grant got = c.putting.try_lock();
        if (got == os::grant::refused)
            return;
        const log_position tail = load(c.tail);
        const std::uint64_t has = c.allocated.load();
        if (tail.items_since(load(c.head)) == 0) {
            // The next put jumps back, and writes that at the tail: its page stays.
            const std::uint64_t page_of_tail = tail.offset() / page * page;
            c.allocated.store(kept());
            discard(kept(), std::min(has, page_of_tail));
            discard(std::max(kept(), page_of_tail + page), has);
            c.top = std::max(kept(), tail.offset() + sizeof(record));
        }
        c.putting.unlock();
    }
    void discard(std::uint64_t from, std::uint64_t to) const noexcept {
        if (from < to)
            os::discard(block_.fd(), file_offset(from), to - from);
    }

    // ---- waiting

    /// The half of a position that changes with every item.
    static const os::futex_word& low_half(const std::atomic<std::uint64_t>& word) noexcept {
        static_assert(std::endian::native == std::endian::little);
        return *reinterpret_cast<const os::futex_word*>(&word);
    }

    /// Wakes one that sleeps until `word` changes.
    void wake(os::futex_word& sleepers, const std::atomic<std::uint64_t>& word) noexcept {
        std::uint32_t seen = sleepers.load();
        if (seen == 0)
            return;
        constexpr std::uint32_t too_many = 64;
        if (os::futex_wake(low_half(word), 1) > 0)
            control().vain.store(0, std::memory_order_relaxed);
        else if (control().vain.fetch_add(1, std::memory_order_relaxed) + 1 >= too_many) {
            // those who are counted were killed, or have just been woken and still count themselves
            control().vain.store(0, std::memory_order_relaxed);
            sleepers.compare_exchange_strong(seen, 0);
        }
    }

    template <class Try, class Ready>
    bool attempt(Try again, os::futex_word& sleepers, const std::atomic<std::uint64_t>& word,
                 Ready ready, const Deadline& deadline) {
        constexpr std::chrono::microseconds patience{20};  // waking a sleeper costs more
        if (again())
            return true;
        for (;;) {
            if (deadline.expired())
                return false;
            if (os::spin_until(
                    ready, std::min<std::chrono::nanoseconds>(patience, deadline.remaining())) &&
                again())
                return true;
            ++sleepers;
            const std::uint32_t seen = low_half(word).load();
            if (!ready())
                os::futex_wait(low_half(word), seen, deadline.remaining());
            leave(sleepers);
            check_interrupt();
            if (again())
                return true;
        }
    }
    static void leave(os::futex_word& sleepers) noexcept {
        std::uint32_t seen = sleepers.load();
        while (seen > 0 && !sleepers.compare_exchange_weak(seen, seen - 1)) {
        }
    }

    shared_block block_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
