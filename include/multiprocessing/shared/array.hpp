// SPDX-License-Identifier: BSL-1.0
// Array and RawArray: plain objects in a row that processes share, with a lock and without.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/count.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/serialization/picklable.hpp>
#include <multiprocessing/shared/plain.hpp>
#include <multiprocessing/synchronize/lock.hpp>
#include <multiprocessing/synchronize/lock_core.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What a shared array is made from: a range, but no handle, whose copy names the same memory.
template <class R>
concept array_source = std::ranges::input_range<R> && !handle<std::remove_cvref_t<R>>;

/// What Array and RawArray share: a head, and the elements after it.
template <class T>
class array_handle : private plain_check<T> {
  public:
    using multiprocessing_handle = void;
    using value_type = T;

    [[nodiscard]] std::size_t size() const noexcept {
        return block_ ? static_cast<std::size_t>(block_.template as<head>()->count) : 0;
    }
    [[nodiscard]] T* data() const noexcept {
        return block_ ? reinterpret_cast<T*>(block_.data() + sizeof(head)) : nullptr;
    }
    [[nodiscard]] T* begin() const noexcept { return data(); }
    [[nodiscard]] T* end() const noexcept { return data() + size(); }
    /// @pre index < size()
    [[nodiscard]] T& operator[](std::size_t index) const noexcept { return data()[index]; }
    /// @throws std::out_of_range
    [[nodiscard]] T& at(std::size_t index) const {
        if (index >= size())
            throw std::out_of_range("Array.at: index " + std::to_string(index) + " of " +
                                    std::to_string(size()));
        return data()[index];
    }
    [[nodiscard]] std::span<T> get_obj() const noexcept { return {data(), size()}; }

    /// Two handles are equal when they name the same array.
    friend bool operator==(const array_handle& a, const array_handle& b) noexcept {
        return a.block_ == b.block_;
    }

  protected:
    struct alignas(shared_block::alignment) head {
        lock_core lock{true};
        std::uint64_t count;
    };
    static_assert(alignof(T) <= shared_block::alignment);

    array_handle() noexcept = default;
    explicit array_handle(Count count) {
        const std::uint64_t number = count.at_least(0, "Array: size");
        if (number > (std::numeric_limits<std::ptrdiff_t>::max() - sizeof(head)) / sizeof(T))
            throw ValueError("Array: size " + std::to_string(number) + " exceeds all memory");
        block_ = shared_block::allocate(sizeof(head) + number * sizeof(T));
        new (block_.data()) head{.count = number};
        std::uninitialized_value_construct_n(data(), number);
    }
    template <array_source R>
    explicit array_handle(R&& values) {
        if constexpr (std::ranges::forward_range<R>) {
            *this = array_handle(static_cast<std::ptrdiff_t>(std::ranges::distance(values)));
            std::ranges::transform(values, data(),
                                   [](auto&& value) { return static_cast<T>(value); });
        } else {
            std::vector<T> collected;
            for (auto&& value : values)
                collected.push_back(static_cast<T>(value));
            *this = array_handle(collected);
        }
    }

    /// @throws UnpicklingError when the memory has no room for all elements, too
    template <class Archive>
    void serialize_elements(Archive& archive, unsigned version) {
        block_.template serialize_as<head>(archive, version);
        if constexpr (!Archive::is_saving::value)
            if (size() > (block_.size() - sizeof(head)) / sizeof(T))
                throw UnpicklingError("unpickling: a handle names too little memory");
    }

    shared_block block_;
};

}  // namespace detail

/// Objects in shared memory, their number fixed, with a lock beside them that its users take.
///
/// A handle: copies name the same array, in braces too; it can be sent to any process. T is plain,
/// as for Value.
/// @par Python `multiprocessing.Array(type, size_or_initializer, lock=)`; an access takes the lock
///     there, here none does
template <class T>
class Array : public detail::array_handle<T> {
  public:
    /// An array of no elements that names no memory, until one is assigned.
    Array() noexcept = default;
    /// Elements that are zero. @throws ValueError for a negative number; std::system_error
    explicit Array(Count size) : detail::array_handle<T>(size), lock_(this->block_) {}
    Array(Count size, AnyLock lock) : detail::array_handle<T>(size), lock_(std::move(lock)) {}
    /// Copies of these values. @throws std::system_error when there is no memory
    Array(std::initializer_list<T> values) : detail::array_handle<T>(values), lock_(this->block_) {}
    Array(std::initializer_list<T> values, AnyLock lock)
        : detail::array_handle<T>(values), lock_(std::move(lock)) {}
    template <detail::array_source R>
    explicit Array(R&& values)
        : detail::array_handle<T>(std::forward<R>(values)), lock_(this->block_) {}
    template <detail::array_source R>
    Array(R&& values, AnyLock lock)
        : detail::array_handle<T>(std::forward<R>(values)), lock_(std::move(lock)) {}

    /// The lock that was given, or the RLock made.
    [[nodiscard]] AnyLock& get_lock() const noexcept { return lock_; }

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        this->serialize_elements(archive, version);
        lock_.serialize(archive, version);
    }

  private:
    mutable AnyLock lock_;  // as Value's
};
template <detail::array_source R>
Array(R&&) -> Array<std::ranges::range_value_t<R>>;
template <detail::array_source R>
Array(R&&, AnyLock) -> Array<std::ranges::range_value_t<R>>;

/// As Array, without a lock.
/// @par Python `multiprocessing.RawArray`
template <class T>
class RawArray : public detail::array_handle<T> {
  public:
    /// An array of no elements that names no memory, until one is assigned.
    RawArray() noexcept = default;
    /// As Array.
    explicit RawArray(Count size) : detail::array_handle<T>(size) {}
    RawArray(std::initializer_list<T> values) : detail::array_handle<T>(values) {}
    template <detail::array_source R>
    explicit RawArray(R&& values) : detail::array_handle<T>(std::forward<R>(values)) {}

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        this->serialize_elements(archive, version);
    }
};
template <detail::array_source R>
RawArray(R&&) -> RawArray<std::ranges::range_value_t<R>>;

}  // namespace v0
}  // namespace multiprocessing
