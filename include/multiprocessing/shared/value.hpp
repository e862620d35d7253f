// SPDX-License-Identifier: BSL-1.0
// Value and RawValue: one plain object that processes share, with a lock and without.
#pragma once

#include <new>
#include <utility>

#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/shared/plain.hpp>
#include <multiprocessing/synchronize/lock.hpp>
#include <multiprocessing/synchronize/lock_core.hpp>

namespace multiprocessing {
inline namespace v0 {

/// An object in shared memory, with a lock beside it that its users take.
///
/// A handle: copies name the same object; it can be sent to any process. T is plain: numbers,
/// enumerations, and aggregates, arrays, pairs, tuples, optionals and variants of such.
/// @note `v.value() += 1` is a read and a write: hold get_lock() around it.
/// @par Python `multiprocessing.Value(type, value, lock=)`; reading `v.value` takes the lock there,
///     value() takes none
template <class T>
class Value : private detail::plain_check<T> {
  public:
    using multiprocessing_handle = void;
    using value_type = T;

    /// With an RLock of its own. @throws std::system_error when there is no memory
    Value(T value = T{}) : block_(allocate(value)), lock_(block_) {}
    /// With a lock that exists. @throws std::system_error when there is no memory
    Value(T value, AnyLock lock) : block_(allocate(value)), lock_(std::move(lock)) {}

    /// The object itself.
    [[nodiscard]] T& value() const { return block_.as<memory>()->value; }
    [[nodiscard]] T& get_obj() const { return value(); }
    /// The lock that was given, or the RLock made.
    [[nodiscard]] AnyLock& get_lock() const noexcept { return lock_; }

    /// Two handles are equal when they name the same object.
    friend bool operator==(const Value& a, const Value& b) noexcept { return a.block_ == b.block_; }

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        block_.template serialize_as<memory>(archive, version);
        lock_.serialize(archive, version);
    }

  private:
    struct memory {
        detail::lock_core lock;
        T value;
    };

    static detail::shared_block allocate(const T& value) {
        auto block = detail::shared_block::allocate(sizeof(memory));
        new (block.data()) memory{detail::lock_core(true), value};
        return block;
    }

    detail::shared_block block_;
    mutable AnyLock lock_;  // a handle, which is const in a const Value no more than the object
};

/// An object in shared memory without a lock.
/// @par Python `multiprocessing.RawValue`
template <class T>
class RawValue : private detail::plain_check<T> {
  public:
    using multiprocessing_handle = void;
    using value_type = T;

    /// @throws std::system_error when there is no memory
    RawValue(T value = T{}) : block_(detail::shared_block::allocate(sizeof(T))) {
        new (block_.data()) T(value);
    }

    /// The object itself.
    [[nodiscard]] T& value() const { return *block_.as<T>(); }

    /// Two handles are equal when they name the same object.
    friend bool operator==(const RawValue&, const RawValue&) = default;

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        block_.template serialize_as<T>(archive, version);
    }

  private:
    detail::shared_block block_;
};

}  // namespace v0
}  // namespace multiprocessing
