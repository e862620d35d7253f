// SPDX-License-Identifier: BSL-1.0
// Where small shared objects lie: many in one segment, so that ten thousand locks cost a handful of
// descriptors.
//
// All bookkeeping is this process's own; nothing of it lies in shared memory, so no death can leave
// it half done. A block goes back into use only where no other process can have a handle to it:
// when its process has not forked since and never sent one. All other blocks are left alone, and
// the segment is unmapped with the last handle into it; the kernel counts the processes.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <multiprocessing/memory/segment.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/process.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// One block as this process holds it: shared by the copies of a handle. Only the one that the heap
/// of this process cut the block for is given back to it with its last handle; a handle that was
/// sent, and came back, holds the same block once more.
class held_block {
  public:
    held_block(std::shared_ptr<segment> where, std::size_t offset, std::size_t size,
               bool cut_here = false) noexcept
        : segment_(std::move(where)), offset_(offset), size_(size), cut_here_(cut_here) {}
    held_block(const held_block&) = delete;
    held_block& operator=(const held_block&) = delete;
    ~held_block();

    [[nodiscard]] std::byte* data() const noexcept { return segment_->data() + offset_; }
    [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] segment& home() const noexcept { return *segment_; }

    /// A handle is about to be sent.
    void depart() {
        sent_ = true;
        segment_->depart();
    }
    /// @param busy asked when the last handle goes: true keeps the memory mapped for good
    void keep_while(bool (*busy)(const std::byte*) noexcept) noexcept { busy_ = busy; }
    /// Another process may have a handle to it.
    [[nodiscard]] bool known_elsewhere() const noexcept {
        return sent_ || forks_ != os::forks_since_start();
    }

  private:
    friend class shared_heap;

    std::shared_ptr<segment> segment_;
    std::size_t offset_;
    std::size_t size_;
    const bool cut_here_;
    std::atomic<bool (*)(const std::byte*) noexcept> busy_{nullptr};
    unsigned forks_ = os::forks_since_start();
    std::atomic<bool> sent_{false};
};

class shared_heap {
  public:
    /// Larger blocks have a segment of their own.
    static constexpr std::size_t largest_small = 16 * 1024;
    static constexpr std::size_t first_segment = 32 * 1024;
    static constexpr std::size_t largest_segment = 1024 * 1024;
    static constexpr std::size_t grain =
        64;  // a cache line: neighbours do not slow each other down

    static shared_heap& instance() {
        static auto& object = *new shared_heap;  // exit handlers still use it
        return object;
    }

    /// A block of zeros. @throws std::system_error (ENOSPC, ENOMEM, EMFILE)
    std::shared_ptr<held_block> allocate(std::size_t size) {
        if (size > largest_small)
            return alone(size, true);
        const std::size_t room = room_for(size);
        const std::scoped_lock lock(mutex_);
        if (const auto found = free_.find(room); found != free_.end() && !found->second.empty()) {
            const auto [home, offset] = found->second.back();
            auto block = std::make_shared<held_block>(home->memory, offset, size, true);
            found->second.pop_back();
            ++home->live;
            return block;
        }
        if (parts_.empty() || parts_.front().memory->size() - parts_.front().used < room)
            grow();
        part& newest = parts_.front();
        auto block = std::make_shared<held_block>(newest.memory, newest.used, size, true);
        newest.used += room;
        ++newest.live;
        return block;
    }

    /// A block with a segment of its own.
    /// @param allocated whether its pages exist from the start
    std::shared_ptr<held_block> alone(std::size_t size, bool allocated) {
        auto memory = segment_table::instance().create("multiprocessing-shared",
                                                       segment::first_block + size, allocated);
        return std::make_shared<held_block>(std::move(memory), segment::first_block, size);
    }

  private:
    friend class held_block;

    /// A segment from which blocks are cut.
    struct part {
        std::shared_ptr<segment> memory;
        std::size_t used = segment::first_block;
        std::size_t live = 0;  ///< blocks that this process holds
    };
    struct place {
        part* home;
        std::size_t offset;
    };

    shared_heap() {
        // Their fork handlers come before these: what is made before a fork is counted so.
        segment_table::instance();
        (void)os::forks_since_start();
        // A forked child may not cut blocks from segments of which its parent cuts, too.
        os::at_fork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                    [] {
                        instance().free_.clear();
                        instance().parts_.clear();
                        instance().mutex_.unlock();
                    });
    }

    static constexpr std::size_t room_for(std::size_t size) noexcept {
        return (std::max<std::size_t>(size, 1) + grain - 1) / grain * grain;
    }

    void grow() {
        const std::size_t size = parts_.empty()
                                     ? first_segment
                                     : std::min(parts_.front().memory->size() * 2, largest_segment);
        parts_.push_front({segment_table::instance().create("multiprocessing-heap", size, true)});
        if (const auto before = std::next(parts_.begin());
            before != parts_.end() && before->live == 0)
            drop(before);
    }

    void drop(std::list<part>::iterator gone) {
        for (auto& [room, places] : free_)
            std::erase_if(places, [&](const place& one) { return one.home == &*gone; });
        parts_.erase(gone);
    }

    /// This process holds the block no more.
    void give_back(const held_block& block) noexcept {
        const std::scoped_lock lock(mutex_);
        const auto home = std::find_if(parts_.begin(), parts_.end(), [&](const part& one) {
            return one.memory == block.segment_;
        });
        if (home == parts_.end())
            return;  // cut by the parent, before the fork
        if (--home->live == 0 && home != parts_.begin()) {
            drop(home);
        } else if (!block.known_elsewhere()) {
            std::memset(block.data(), 0, room_for(block.size_));
            free_[room_for(block.size_)].push_back({&*home, block.offset_});
        }
    }

    /// The memory stays mapped for good: the kernel looks into it when the thread that holds a
    /// robust mutex in it ends.
    void keep(std::shared_ptr<segment> memory) noexcept {
        const std::scoped_lock lock(mutex_);
        if (std::ranges::find(kept_, memory) == kept_.end())
            kept_.push_back(std::move(memory));
    }

    std::mutex mutex_;
    std::list<part> parts_;  ///< the newest first: only that one is cut from
    std::map<std::size_t, std::vector<place>> free_;
    std::vector<std::shared_ptr<segment>> kept_;
};

inline held_block::~held_block() {
    const auto busy = busy_.load();
    if (busy != nullptr && busy(data()))
        shared_heap::instance().keep(segment_);
    else if (cut_here_)
        shared_heap::instance().give_back(*this);
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
