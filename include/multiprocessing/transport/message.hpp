// SPDX-License-Identifier: BSL-1.0
// The bytes of task and result messages.
//
// A task message is a task_header and runs; a run is a run_header, the bytes that name the
// function, and `items` arguments for it. A result message is a result_header and records, one or
// more per item, in the order of the items. Bodies too large for a message lie in an arena, and the
// header says where. Everything is written and read by processes of one machine and one program.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/memory/arena.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

struct task_header {
    std::uint64_t number = 0;  // 0 asks the worker to retire
    std::uint64_t location =
        0;                   // of the body: 0 is right behind the header, else in the task arena
    std::uint64_t size = 0;  // of the body
    std::uint64_t items = 0;
};
static_assert(sizeof(task_header) == 32);

/// What the items of a run have in common. `function_size` bytes follow, padded to 8, then the
/// items.
struct run_header {
    std::uint64_t thunk_image = 0;  // code_ref of the thunk that decodes and calls
    std::uint64_t thunk_offset = 0;
    std::uint64_t timeout = 0;  // nanoseconds an item may run; 0: no limit
    std::uint32_t function_size = 0;
    std::uint32_t item_size =
        0;                    // 0: each item is a std::uint64_t length and so many bytes, padded
    std::uint64_t chunk = 1;  // so many items may be claimed at once
    std::uint64_t items = 0;
};
static_assert(sizeof(run_header) == 48);

struct result_header {
    std::uint64_t number = 0;       // of the task message; 0: the worker's greeting
    std::uint64_t location = 0;     // of the records: 0 right behind the header, else in the arena
    std::uint64_t size = 0;         // of the records
    std::uint64_t items = 0;        // that the records answer
    std::uint64_t nanoseconds = 0;  // spent on them
};
static_assert(sizeof(result_header) == 40);

/// Each record begins with one word: what it is in the low bits, how many above.
enum class record_kind : std::uint64_t {
    block = 0,      // so many results of the run's fixed result size follow, padded to 8
    value = 1,      // one result of so many bytes, padded
    exception = 2,  // one exception of so many bytes, padded
};
inline constexpr std::uint64_t record_word(record_kind kind, std::uint64_t count) noexcept {
    return count << 2 | static_cast<std::uint64_t>(kind);
}

inline constexpr std::uint64_t padding(std::uint64_t size) noexcept {
    return (8 - size % 8) % 8;
}

inline void append_padding(output_buffer& out) {
    static constexpr std::uint64_t zero = 0;
    out.append(&zero, padding(out.size()));
}

/// A buffer that begins in a given place of fixed size and moves to an arena when that is full.
/// @note The place must be 8-aligned.
class spill_buffer final : public output_buffer {
  public:
    explicit spill_buffer(arena& spill) noexcept : arena_(&spill) {}
    ~spill_buffer() { drop(); }

    /// Starts over in `place`. A `location` is kept up to date with where the bytes are, one store
    /// after they are all there, so that it can be followed at any instant.
    void start(std::span<std::byte> place, std::uint64_t* location = nullptr) {
        drop();
        location_ = location;
        begin_ = next_ = place.data();
        end_ = begin_ + place.size();
    }
    [[nodiscard]] bool spilled() const noexcept { return static_cast<bool>(block_); }
    /// How much of the arena it takes.
    [[nodiscard]] std::uint64_t spilled_size() const noexcept { return block_.size; }

    /// Gives up the arena block, cut to what is used; it is the caller's to release.
    [[nodiscard]] arena_block take_block() noexcept {
        if (block_)
            arena_->shrink(block_, size());
        return std::exchange(block_, {});
    }

  private:
    void grow(std::size_t count) override {
        const std::size_t used = size();
        const arena_block larger = arena_->allocate(used + count + (spilled() ? used : 0));
        std::byte* const place = arena_->data(larger);
        if (used != 0)
            std::memcpy(place, begin_, used);
        if (location_ != nullptr)
            std::atomic_ref(*location_).store(larger.offset, std::memory_order_release);
        const arena_block old = std::exchange(block_, larger);
        begin_ = place;
        next_ = place + used;
        end_ = place + larger.size;
        if (old)
            arena_->release(old);
    }
    void drop() noexcept {
        if (block_)
            arena_->release(std::exchange(block_, {}));
    }

    arena* arena_;
    arena_block block_;
    std::uint64_t* location_ = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
