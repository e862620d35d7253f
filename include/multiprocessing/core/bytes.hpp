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
class heap_buffer final : public output_buffer {
  public:
    heap_buffer() = default;
    heap_buffer(heap_buffer&& other) noexcept { swap(other); }
    heap_buffer& operator=(heap_buffer&& other) noexcept {
        swap(other);
        return *this;
    }
    ~heap_buffer() = default;

    void clear() noexcept { next_ = begin_; }

  private:
    void grow(std::size_t count) override {
        const std::size_t used = size();
        const auto capacity = static_cast<std::size_t>(end_ - begin_);
        const std::size_t larger = std::max<std::size_t>({used + count, capacity * 2, 256});
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
