// SPDX-License-Identifier: BSL-1.0
// A log of items in sparse shared memory: appended behind its tail, taken at its head.
//
// The log is not a plain ring, because an unlimited queue never waits for its reader. Where it
// would grow and the room before `head` is as large as what is in use, it jumps back to the
// beginning, to pages that are warm; a record that says so stands at the place of the jump. When it
// then meets `head`, it jumps up again, to `top`, behind all that was ever used. At most two jumps
// are ahead of the reader. Pages are allocated before they are touched and given back when the
// log is empty.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <system_error>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/memory/segment.hpp>
#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/os/robust_mutex.hpp>
#include <multiprocessing/queues/queue_layout.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

class queue_log {
  public:
    /// So many items fit any queue.
    static constexpr std::uint32_t highest = log_position::count_mask;

    queue_log() = default;
    /// @throws std::system_error when there is no memory, address space or descriptor to be had
    explicit queue_log(std::uint32_t most) : block_(reserve()) {
        new (block_.data()) queue_control(most);
    }

    [[nodiscard]] queue_control& control() const noexcept {
        return *std::launder(block_.as<queue_control>());
    }
    [[nodiscard]] static log_position load(const std::atomic<std::uint64_t>& word) noexcept {
        return log_position(word.load());
    }
    /// How many items are there.
    [[nodiscard]] std::uint32_t count() const noexcept {
        for (;;) {  // a head that moved meanwhile would make the difference too large
            const log_position head = load(control().head);
            const log_position tail = load(control().tail);
            if (load(control().head).word() == head.word())
                return tail.items_since(head);
        }
    }

    /// Appends an item of `size` bytes. The caller holds `putting`.
    /// @param write called with the place where the bytes go; throws nothing
    /// @returns false when the queue is full
    /// @throws std::system_error (ENOSPC, ENOMEM): then the log is as before
    template <class Write>
    bool append(std::uint64_t size, Write write) {
        queue_control& c = control();
        const log_position head = load(c.head);
        const log_position tail = load(c.tail);
        if (tail.items_since(head) >= c.most)
            return false;
        const std::uint64_t room = room_for(size);
        std::uint32_t jumps = tail.jumps();
        const std::uint64_t place = find_room(head, tail, room);
        if (place != tail.offset()) {
            record_at(tail.offset(), {is_jump, place});
            ++jumps;
        }
        record_at(place, {size, 0});
        write(bytes() + place + sizeof(log_record));
        const std::uint64_t end = place + room;
        c.top = std::max(c.top, end + sizeof(log_record));
        c.tail.store(log_position(end, jumps, tail.count() + 1).word());
        return true;
    }

    /// Takes the first item. The caller holds `getting`.
    /// @param read called with its bytes, which are gone afterwards. The item stays if it throws
    /// @returns false when there is none
    template <class Read>
    bool take(Read read) {
        queue_control& c = control();
        const log_position head = load(c.head);
        if (load(c.tail).items_since(head) == 0)
            return false;
        std::uint64_t place = head.offset();
        std::uint32_t jumps = head.jumps();
        log_record found = record_at(place);
        if (found.size == is_jump) {
            place = found.jump_to;
            ++jumps;
            found = place < capacity() ? record_at(place) : log_record{is_jump, 0};
        }
        if (found.size > capacity() || place + room_for(found.size) > capacity())
            throw UnpicklingError("Queue.get: the queue's memory is damaged");
        read(std::span<const std::byte>(bytes() + place + sizeof(log_record), found.size));
        const log_position next(place + room_for(found.size), jumps, head.count() + 1);
        c.largest = std::max(found.size, c.largest - c.largest / 64);
        c.head.store(next.word());
        if (c.allocated.load(std::memory_order_relaxed) > 2 * kept() &&
            load(c.tail).items_since(next) == 0)
            give_back();
        return true;
    }

    friend bool operator==(const queue_log&, const queue_log&) = default;
    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        block_.serialize(archive, version);
        if constexpr (Archive::is_loading::value)
            if (block_.size() < control_room + smallest_capacity)
                throw UnpicklingError("unpickling: the memory of a queue is damaged");
    }

  private:
    static constexpr std::uint64_t is_jump = ~std::uint64_t{0};
    static constexpr std::size_t page = 4096;
    static constexpr std::size_t control_room = page - segment::first_block;
    static_assert(sizeof(queue_control) <= control_room);
    /// Addresses, not memory: more than any machine's queue holds; fewer where they are limited.
    static constexpr std::uint64_t largest_capacity = std::uint64_t{1} << 36;
    static constexpr std::uint64_t smallest_capacity = std::uint64_t{1} << 26;
    static constexpr std::uint64_t smallest_growth = 64 * 1024;
    static constexpr std::uint64_t largest_growth = 16 * 1024 * 1024;
    static constexpr std::uint64_t smallest_kept = 1024 * 1024;
    static constexpr std::uint64_t largest_kept = 256 * 1024 * 1024;

    static shared_block reserve() {
        for (std::uint64_t size = largest_capacity;; size /= 4) {
            try {
                return shared_block::reserve(control_room + size);
            } catch (const std::system_error&) {
                if (size == smallest_capacity)
                    throw;
            }
        }
    }
    [[nodiscard]] std::uint64_t capacity() const noexcept { return block_.size() - control_room; }
    [[nodiscard]] std::byte* bytes() const noexcept { return block_.data() + control_room; }
    void record_at(std::uint64_t offset, log_record value) noexcept {
        std::memcpy(bytes() + offset, &value, sizeof value);
    }
    [[nodiscard]] log_record record_at(std::uint64_t offset) const noexcept {
        log_record value;
        std::memcpy(&value, bytes() + offset, sizeof value);
        return value;
    }
    static std::uint64_t room_for(std::uint64_t size) noexcept {
        constexpr std::uint64_t unit = log_position::unit;
        return sizeof(log_record) + (size + unit - 1) / unit * unit;
    }
    [[nodiscard]] std::size_t file_offset(std::uint64_t offset) const noexcept {
        return block_.file_begin() + control_room + offset;
    }

    /// Where a record of `room` bytes can go, so that a jump has room behind it; its pages exist.
    std::uint64_t find_room(log_position head, log_position tail, std::uint64_t room) {
        queue_control& c = control();
        const std::uint64_t at = tail.offset();
        const std::uint64_t need = room + sizeof(log_record);
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
        if (end > capacity())
            os::throw_system_error("Queue.put: the queue has no more addresses", ENOSPC);
        const std::uint64_t step = std::clamp(has, smallest_growth, largest_growth);
        const std::uint64_t wanted =
            std::min(capacity(), (std::max(end, has + step) + page - 1) / page * page);
        // The tail's page, which give_back() keeps, may lie in there.
        os::allocate(block_.fd(), file_offset(has), wanted - has, false);
        c.allocated.store(wanted, std::memory_order_relaxed);
    }

    /// An empty log keeps so much: some items like the largest one lately, so that a queue that is
    /// often empty does not pay for fresh pages with each.
    [[nodiscard]] std::uint64_t kept() const noexcept {
        const std::uint64_t wanted = smallest_kept + 3 * control().largest;
        return (std::min(wanted, largest_kept) + page - 1) / page * page;
    }

    /// Gives the pages of an empty log back. The caller holds `getting`.
    void give_back() {
        queue_control& c = control();
        if (c.putting.try_lock() == os::grant::refused)
            return;
        const log_position tail = load(c.tail);
        const std::uint64_t has = c.allocated.load();
        if (tail.items_since(load(c.head)) == 0) {
            // The next put jumps back, and writes that at the tail: its page stays.
            const std::uint64_t page_of_tail = tail.offset() / page * page;
            c.allocated.store(kept());
            discard(kept(), std::min(has, page_of_tail));
            discard(std::max(kept(), page_of_tail + page), has);
            c.top = std::max(kept(), tail.offset() + sizeof(log_record));
        }
        c.putting.unlock();
    }
    void discard(std::uint64_t from, std::uint64_t to) const noexcept {
        if (from < to)
            os::discard(block_.fd(), file_offset(from), to - from);
    }

    shared_block block_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
