// SPDX-License-Identifier: BSL-1.0
// Blocks of shared memory for payloads that do not fit a message: one process allocates them,
// others read them by offset.
//
// An arena is the part of a memory file behind `base`, cut into segments that double in size. A
// process maps a segment when it first touches it and keeps the mapping, so that growing never
// moves a block and blocks that are used again are warm: first touch of a page costs twenty times a
// copy.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <system_error>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/os/memory_map.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A place in an arena. Offset 0 is never a block.
struct arena_block {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;

    [[nodiscard]] explicit operator bool() const noexcept { return offset != 0; }
};

/// The mapped segments of an arena, as one process sees them.
class arena_view {
  public:
    static constexpr std::uint64_t unit = std::uint64_t{1} << 20;
    static constexpr unsigned max_segments = 30;  // the last one holds 512 TiB

    arena_view() = default;
    /// @param fd the memory file; must stay open as long as the view
    /// @param base where the arena begins in it: a multiple of the page size, not 0
    arena_view(int fd, std::uint64_t base, os::memory_map::access mode) noexcept
        : fd_(fd), base_(base), mode_(mode) {}

    [[nodiscard]] std::uint64_t segment_offset(unsigned k) const noexcept {
        return base_ + ((std::uint64_t{1} << k) - 1) * unit;
    }
    static constexpr std::uint64_t segment_size(unsigned k) noexcept {
        return (std::uint64_t{1} << k) * unit;
    }
    [[nodiscard]] unsigned segment_of(std::uint64_t offset) const noexcept {
        return static_cast<unsigned>(std::bit_width((offset - base_) / unit + 1)) - 1;
    }

    /// Returns where `size` bytes at `offset` are in this process.
    /// @throws UnpicklingError when that is no place inside one segment (a damaged message)
    std::byte* at(std::uint64_t offset, std::uint64_t size) {
        if (offset < base_)
            throw UnpicklingError("shared memory: a block outside its arena");
        const unsigned k = segment_of(offset);
        const std::uint64_t inside = offset - segment_offset(k < max_segments ? k : 0);
        if (k >= max_segments || size > segment_size(k) || inside > segment_size(k) - size)
            throw UnpicklingError("shared memory: a block outside its arena");
        // A mapping may reach beyond the end of the file, where a touch is SIGBUS.
        if (mode_ == os::memory_map::access::read && offset + size > length_) {
            length_ = os::length(fd_);
            if (offset + size > length_)
                throw UnpicklingError("shared memory: a block that was never allocated");
        }
        if (!maps_[k])
            maps_[k] = os::memory_map(fd_, segment_offset(k), segment_size(k), mode_);
        return maps_[k].data() + inside;
    }

  private:
    int fd_ = -1;
    std::uint64_t base_ = 0;
    os::memory_map::access mode_ = os::memory_map::access::read;
    std::uint64_t length_ = 0;  // of the file, when it was last looked at
    std::array<os::memory_map, max_segments> maps_{};
};

/// The allocating side of an arena. One process, one thread at a time.
class arena {
  public:
    /// What stays allocated when nothing is in use; the rest goes back to the system.
    static constexpr std::uint64_t keep = std::uint64_t{256} << 20;

    arena() = default;
    arena(int fd, std::uint64_t base) noexcept
        : fd_(fd), view_(fd, base, os::memory_map::access::read_write) {}

    /// Returns a block of at least `size` bytes, with its pages allocated.
    /// @throws std::system_error (ENOSPC, ENOMEM) when the system has no more shared memory
    arena_block allocate(std::uint64_t size) {
        const std::uint64_t length = round_up(size);
        for (auto hole = holes_.begin(); hole != holes_.end(); ++hole)
            if (hole->second >= length && has_pages(*hole, length))
                return take(hole, length);
        unsigned k = 0;
        while (k < arena_view::max_segments &&
               (arena_view::segment_size(k) < length || segments_[k].open))
            ++k;
        if (k == arena_view::max_segments)
            os::throw_system_error("shared memory: an arena cannot grow", ENOMEM);
        const std::pair whole{view_.segment_offset(k), arena_view::segment_size(k)};
        give_pages(whole, length);
        segments_[k].open = true;
        return take(holes_.insert(whole).first, length);
    }

    void release(arena_block block) noexcept {
        used_ -= block.size;
        const unsigned k = view_.segment_of(block.offset);
        auto hole = add_hole(block.offset, block.size);
        if (allocated_ > keep && hole->second == arena_view::segment_size(k))
            give_back(k);
    }

    /// Keeps the first `size` bytes of a block and releases the rest.
    void shrink(arena_block& block, std::uint64_t size) noexcept {
        const std::uint64_t length = round_up(size);
        if (length >= block.size)
            return;
        used_ -= block.size - length;
        add_hole(block.offset + length, block.size - length);
        block.size = length;
    }

    [[nodiscard]] std::byte* data(arena_block block) { return view_.at(block.offset, block.size); }
    [[nodiscard]] std::uint64_t used() const noexcept { return used_; }
    [[nodiscard]] std::uint64_t allocated() const noexcept { return allocated_; }

  private:
    using holes = std::map<std::uint64_t, std::uint64_t>;  // offset -> size
    struct segment {
        bool open = false;
        std::uint64_t allocated = 0;  // bytes from the segment's start that have pages
    };

    static constexpr std::uint64_t round_up(std::uint64_t size) noexcept {
        return (std::max<std::uint64_t>(size, 1) + 63) / 64 * 64;
    }

    /// @throws std::system_error when there are no pages for the first `length` bytes of a hole
    void give_pages(const holes::value_type& hole, std::uint64_t length) {
        const unsigned k = view_.segment_of(hole.first);
        const std::uint64_t start = view_.segment_offset(k);
        const std::uint64_t page = os::page_size();
        const std::uint64_t end = (hole.first + length - start + page - 1) / page * page;
        if (end <= segments_[k].allocated)
            return;
        os::allocate(fd_, start + segments_[k].allocated, end - segments_[k].allocated);
        allocated_ += end - segments_[k].allocated;
        segments_[k].allocated = end;
    }
    // Where one hole gets no pages, for the limit of file sizes say, another may have them.
    bool has_pages(const holes::value_type& hole, std::uint64_t length) {
        try {
            give_pages(hole, length);
            return true;
        } catch (const std::system_error&) {
            return false;
        }
    }

    arena_block take(holes::iterator hole, std::uint64_t length) {
        const arena_block block{hole->first, length};
        const std::uint64_t rest = hole->second - length;
        const auto next = holes_.erase(hole);
        if (rest != 0)
            holes_.emplace_hint(next, block.offset + length, rest);
        used_ += length;
        return block;
    }

    holes::iterator add_hole(std::uint64_t offset, std::uint64_t size) noexcept {
        auto [hole, added] = holes_.emplace(offset, size);
        const auto next = std::next(hole);
        if (next != holes_.end() && adjacent(hole->first, hole->second, next->first)) {
            hole->second += next->second;
            holes_.erase(next);
        }
        if (hole != holes_.begin()) {
            const auto before = std::prev(hole);
            if (adjacent(before->first, before->second, hole->first)) {
                before->second += hole->second;
                holes_.erase(hole);
                return before;
            }
        }
        return hole;
    }
    // Neighbours in the file are in different mappings when a segment begins between them.
    [[nodiscard]] bool adjacent(std::uint64_t offset, std::uint64_t size,
                                std::uint64_t next) const noexcept {
        return offset + size == next && view_.segment_of(offset) == view_.segment_of(next);
    }

    void give_back(unsigned k) noexcept {
        os::discard(fd_, view_.segment_offset(k), segments_[k].allocated);
        allocated_ -= segments_[k].allocated;
        segments_[k].allocated = 0;
    }

    int fd_ = -1;
    arena_view view_;
    holes holes_;
    std::array<segment, arena_view::max_segments> segments_{};
    std::uint64_t used_ = 0;
    std::uint64_t allocated_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
