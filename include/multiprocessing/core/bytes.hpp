// SPDX-License-Identifier: BSL-1.0
// Where serialized bytes go and where they come from: a growing output buffer and a checked cursor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A contiguous buffer that bytes are appended to. The derived class owns the memory and moves the
/// bytes to a larger place when they do not fit: a heap block, a message slot, a shared arena.
class output_buffer {
  public:
    output_buffer(const output_buffer&) = delete;
    output_buffer& operator=(const output_buffer&) = delete;

    [[nodiscard]] std::byte* data() const noexcept { return begin_; }
    [[nodiscard]] std::size_t size() const noexcept {
        return static_cast<std::size_t>(next_ - begin_);
    }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {begin_, size()}; }

    /// Makes room for `count` more bytes and returns where they go; `commit` then counts them.
    /// @throws whatever the derived class throws when there is no more memory.
    std::byte* reserve(std::size_t count) {
        if (static_cast<std::size_t>(end_ - next_) < count)
            grow(count);
        return next_;
    }
    void commit(std::size_t count) noexcept { next_ += count; }

    void append(const void* source, std::size_t count) {
        std::byte* place = reserve(count);
        if (count != 0)
            std::memcpy(place, source, count);
        next_ += count;
    }
    template <class T>
    void append_value(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        append(&value, sizeof value);
    }
    /// Appends the bytes of an object that lives as long as what is written. A derived class may
    /// only note where they are.
    virtual void append_block(const void* source, std::size_t count) { append(source, count); }

    /// Forgets all bytes after the first `size`, as when an item failed to serialize half way.
    void truncate(std::size_t size) noexcept { next_ = begin_ + std::min(size, this->size()); }

  protected:
    output_buffer() = default;
    ~output_buffer() = default;

    /// Moves the bytes so that at least `count` more fit: sets begin_, next_ and end_.
    virtual void grow(std::size_t count) = 0;

    std::byte* begin_ = nullptr;
    std::byte* next_ = nullptr;
    std::byte* end_ = nullptr;
};

/// An output buffer on the heap; keeps its capacity when cleared.
class heap_buffer : public output_buffer {
  public:
    heap_buffer() = default;
    heap_buffer(heap_buffer&& other) noexcept { swap(other); }
    heap_buffer& operator=(heap_buffer&& other) noexcept {
        swap(other);
        return *this;
    }
    virtual ~heap_buffer() = default;

    void clear() noexcept { next_ = begin_; }

    // As gathering_buffer's.
    [[nodiscard]] std::size_t whole_size() const noexcept { return size(); }
    void copy_to(std::byte* target) const noexcept {
        if (size() != 0)
            std::memcpy(target, data(), size());
    }

  private:
    void grow(std::size_t count) override {
        const std::size_t used = size();
        const auto capacity = static_cast<std::size_t>(end_ - begin_);
        // With room for what ends a message: a large one is not to move once more for a few bytes.
        const std::size_t larger = std::max<std::size_t>({used + count + 128, capacity * 2, 256});
        std::unique_ptr<std::byte[]> memory(new std::byte[larger]);  // not zeroed
        if (used != 0)
            std::memcpy(memory.get(), begin_, used);
        memory_ = std::move(memory);
        begin_ = memory_.get();
        next_ = begin_ + used;
        end_ = begin_ + larger;
    }
    void swap(heap_buffer& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(begin_, other.begin_);
        std::swap(next_, other.next_);
        std::swap(end_, other.end_);
    }

    std::unique_ptr<std::byte[]> memory_;
};

/// A heap buffer that leaves large blocks where they are until all is copied to its last place:
/// each byte is copied once. What was written must live until then.
class gathering_buffer final : public heap_buffer {
  public:
    void append_block(const void* source, std::size_t count) override {
        // The tail is copied, so that what follows keeps its place modulo 64.
        const std::size_t left_there = count / 64 * 64;
        blocks_.push_back({size(), {static_cast<const std::byte*>(source), left_there}});
        left_there_ += left_there;
        append(static_cast<const std::byte*>(source) + left_there, count - left_there);
    }

    /// With the blocks; size() is without.
    [[nodiscard]] std::size_t whole_size() const noexcept { return size() + left_there_; }

    /// @param target has room for whole_size() bytes
    void copy_to(std::byte* target) const noexcept {
        std::size_t copied = 0;
        const auto copy = [&](const std::byte* source, std::size_t count) {
            if (count != 0)
                std::memcpy(target, source, count);
            target += count;
        };
        for (const block& next : blocks_) {
            copy(data() + copied, next.position - copied);
            copied = next.position;
            copy(next.bytes.data(), next.bytes.size());
        }
        copy(data() + copied, size() - copied);
    }

  private:
    struct block {
        std::size_t position;  ///< behind so many of our own bytes
        std::span<const std::byte> bytes;
    };
    std::vector<block> blocks_;
    std::size_t left_there_ = 0;
};

/// Reads bytes of unknown origin from front to back; never reads past their end.
class input_cursor {
  public:
    input_cursor() = default;
    explicit input_cursor(std::span<const std::byte> bytes) noexcept
        : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

    [[nodiscard]] std::size_t remaining() const noexcept {
        return static_cast<std::size_t>(end_ - next_);
    }

    /// Returns the next `count` bytes, which stay where they are.
    /// @throws UnpicklingError when fewer are left.
    const std::byte* take(std::size_t count) {
        if (remaining() < count) [[unlikely]]
            throw UnpicklingError("unpickling: the data ends too early");
        const std::byte* place = next_;
        next_ += count;
        return place;
    }
    /// Goes back over the last `count` bytes that were taken.
    void back(std::size_t count) noexcept { next_ -= count; }

    void read(void* target, std::size_t count) {
        const std::byte* source = take(count);
        if (count != 0)
            std::memcpy(target, source, count);
    }
    template <class T>
    [[nodiscard]] T read_value() {
        static_assert(std::is_trivially_copyable_v<T>);
        T value;
        read(&value, sizeof value);
        return value;
    }

  private:
    const std::byte* next_ = nullptr;
    const std::byte* end_ = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
