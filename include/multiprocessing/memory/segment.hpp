// SPDX-License-Identifier: BSL-1.0
// Memory files that several processes map, and the table of those that this process has mapped.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <unordered_map>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/memory/tracker.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/os/process.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A memory file without a name, mapped once in this process for as long as somebody here uses it.
/// The kernel frees the memory when no process maps it and no tracker keeps it: whatever dies, no
/// count of ours can be wrong.
class segment {
  public:
    /// Blocks begin here.
    static constexpr std::size_t first_block = 64;

    segment(os::descriptor file, std::size_t size)
        : fd_(std::move(file)), map_(fd_.get(), 0, size) {}
    segment(const segment&) = delete;
    segment& operator=(const segment&) = delete;
    ~segment() {
        if (sent_)
            trackers::own().release(id());
        if (origin_ != nullptr)
            origin_->release(id());
    }

    [[nodiscard]] std::byte* data() const noexcept { return map_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return map_.size(); }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] const tracker_id& id() const noexcept { return header().id; }

    /// A handle into the segment is about to be sent: the tracker must have the descriptor.
    void depart() {
        sent_ = true;
        in_flight().fetch_add(1);
        try {
            trackers::own().hold(id(), fd());
        } catch (...) {
            arrive();
            throw;
        }
    }
    /// A handle has arrived. Bytes that are read twice count once too often: never below zero.
    void arrive() noexcept {
        auto counter = in_flight();
        std::uint32_t count = counter.load();
        while (count > 0 && !counter.compare_exchange_weak(count, count - 1)) {
        }
    }
    /// Whether this process has sent a handle into it, or got one.
    [[nodiscard]] bool was_sent() const noexcept { return sent_ || origin_ != nullptr; }
    /// The tracker that it came from knows that this process holds it.
    void came_from(tracker_client& tracker) noexcept { origin_ = &tracker; }

  private:
    [[nodiscard]] segment_header& header() const noexcept {
        return *std::launder(reinterpret_cast<segment_header*>(map_.data()));
    }
    [[nodiscard]] std::atomic_ref<std::uint32_t> in_flight() const noexcept {
        return std::atomic_ref<std::uint32_t>(header().in_flight);
    }

    os::descriptor fd_;
    os::memory_map map_;
    std::atomic<bool> sent_{false};
    tracker_client* origin_ = nullptr;
};

/// The segments that this process has mapped. A second handle into one finds it here.
class segment_table {
  public:
    static segment_table& instance() {
        static auto& object = *new segment_table;  // exit handlers still use it
        return object;
    }

    /// A new segment, all zero behind its header.
    /// @param name shown by /proc/PID/maps
    /// @param allocated whether all its pages exist from the start; else the owner allocates them
    /// @throws std::system_error (ENOSPC, ENOMEM, EMFILE)
    std::shared_ptr<segment> create(const char* name, std::size_t size, bool allocated) {
        size = (size + os::page_size() - 1) / os::page_size() * os::page_size();
        os::descriptor file = os::above_standard_streams(os::create_memory(name, size));
        os::allocate(file.get(), 0, allocated ? size : os::page_size());
        auto fresh = std::make_shared<segment>(std::move(file), size);
        segment_header header;
        header.id = random_tracker_id();
        header.size = size;
        new (fresh->data()) segment_header(header);
        const std::scoped_lock lock(mutex_);
        enter(header.id) = fresh;
        return fresh;
    }

    /// The segment of that name: mapped here already, or had from the tracker.
    /// @throws UnpicklingError when it exists no more
    std::shared_ptr<segment> find(const family_id& family, const tracker_id& id) {
        if (auto known = look(id))
            return known;
        tracker_client& tracker = trackers::of(family);
        os::descriptor file = tracker.attach(id);
        if (!file)
            throw UnpicklingError(
                "unpickling: the shared memory of a handle is not to be had: every process that "
                "held it has let it go, or the tracker process was killed while it was on its way");
        try {
            auto fresh = map(std::move(file), id);
            fresh->came_from(tracker);
            return adopt(std::move(fresh));
        } catch (...) {
            tracker.release(id);
            throw;
        }
    }

    /// Enters a segment. @returns the one that this process has mapped already, if it has
    std::shared_ptr<segment> adopt(std::shared_ptr<segment> fresh) {
        const std::scoped_lock lock(mutex_);
        std::weak_ptr<segment>& place = enter(fresh->id());
        if (auto known = place.lock())
            return known;
        place = fresh;
        return fresh;
    }

  private:
    segment_table() {
        // Registered before this table and the heap above it: a segment that they drop after a fork
        // asks the tracker's client, which must be unlocked by then.
        trackers::own();
        os::at_fork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                    [] { instance().mutex_.unlock(); });
    }

    /// The place of a segment, under the lock. Now and then those that are no more make way.
    std::weak_ptr<segment>& enter(const tracker_id& id) {
        if (segments_.size() >= next_sweep_) {
            std::erase_if(segments_, [](const auto& entry) { return entry.second.expired(); });
            next_sweep_ = 64 + 2 * segments_.size();
        }
        return segments_[id];
    }
    std::shared_ptr<segment> look(const tracker_id& id) {
        const std::scoped_lock lock(mutex_);
        const auto found = segments_.find(id);
        return found == segments_.end() ? nullptr : found->second.lock();
    }

    static std::shared_ptr<segment> map(os::descriptor file, const tracker_id& id) {
        const std::size_t size = os::length(file.get());
        segment_header header;
        if (size < segment::first_block ||
            !os::read_at(file.get(), 0, std::as_writable_bytes(std::span(&header, 1))) ||
            header.magic != segment_header::expected_magic || header.id != id ||
            header.size != size)
            throw UnpicklingError("unpickling: the shared memory of a handle is damaged");
        return std::make_shared<segment>(std::move(file), size);
    }

    std::mutex mutex_;
    std::unordered_map<tracker_id, std::weak_ptr<segment>, tracker_id_hash> segments_;
    std::size_t next_sweep_ = 64;  // when it has so many entries
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
