// SPDX-License-Identifier: BSL-1.0
// Values to bytes and back: dumps and loads for users, save and load for the library's messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/serialization/checks.hpp>
#include <multiprocessing/serialization/codec.hpp>
#include <multiprocessing/serialization/type_name.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Appends a value to a message. The bytes of a value that fails half way stay: `truncate` them.
/// @throws PicklingError when the value cannot be written, what a user's `serialize` throws, and
/// what the buffer throws when it cannot grow.
template <class T>
void save(output_buffer& buffer, const T& value) {
    if constexpr (bitwise<T>) {
        buffer.append(std::addressof(value), sizeof value);
    } else {
        try {
            writer out(buffer);
            detail::encode(out, value);
        } catch (const boost::archive::archive_exception& error) {
            throw PicklingError(std::string("pickling: ") + error.what());
        }
    }
}

/// Reads a value into one that exists. After an exception its state is valid and unspecified.
/// @throws UnpicklingError when the bytes are not those of a T.
template <class T>
void load_into(input_cursor& cursor, T& value) {
    if constexpr (bitwise<T>) {
        cursor.read(static_cast<void*>(std::addressof(value)), sizeof value);
    } else {
        try {
            reader in(cursor);
            detail::decode(in, value);
        } catch (const boost::archive::archive_exception& error) {
            throw UnpicklingError(std::string("unpickling: ") + error.what());
        } catch (const std::bad_alloc&) {
            throw UnpicklingError("unpickling: the value needs more memory than there is");
        } catch (const std::length_error& error) {
            throw UnpicklingError(std::string("unpickling: ") + error.what());
        }
    }
}

/// Reads a value.
/// @throws UnpicklingError when the bytes are not those of a T.
template <class T>
[[nodiscard]] T load(input_cursor& cursor) {
    T value = T();  // not {}: a member's default constructor may be explicit
    detail::load_into(cursor, value);
    return value;
}

/// What stands before the bytes of `dumps`.
struct pickle_header {
    std::uint32_t magic = 0x6b70706d;  // "mppk"
    std::uint32_t version = 1;
    std::uint64_t type = 0;
    std::uint64_t size = 0;  // of the bytes that follow
};
static_assert(sizeof(pickle_header) == 24 && std::is_trivially_copyable_v<pickle_header>);

/// A buffer that ends as the vector which it filled.
class vector_buffer final : public output_buffer {
  public:
    ~vector_buffer() = default;

    [[nodiscard]] std::vector<std::byte> take() && {
        bytes_.resize(size());
        return std::move(bytes_);
    }

  private:
    void grow(std::size_t count) override {
        const std::size_t used = size();
        bytes_.resize(std::max<std::size_t>({used + count, bytes_.size() * 2, 64}));
        begin_ = bytes_.data();
        next_ = begin_ + used;
        end_ = begin_ + bytes_.size();
    }

    std::vector<std::byte> bytes_;
};

/// Undoes what writing a value counted, where its bytes are not sent after all: reads them, which
/// lets go what they kept alive.
template <class T>
void withdraw(input_cursor bytes) noexcept {
    try {
        (void)load<T>(bytes);
    } catch (...) {  // what cannot be read had counted nothing, or is lost
    }
}

/// Appends what `dumps` returns to an empty buffer.
template <class T>
void dump(output_buffer& buffer, const T& value) {
    pickle_header header{.type = type_tag<T>()};
    buffer.append_value(header);
    detail::save(buffer, value);
    header.size = buffer.size() - sizeof header;
    std::memcpy(buffer.data(), &header, sizeof header);
}

}  // namespace detail

/// Returns the bytes of a value.
/// @throws PicklingError when the value cannot be written, and what its `serialize` throws.
/// @par Python `pickle.dumps(value)`. The bytes are those of this library and of this machine's
/// kind; only a program that spells the type alike reads them.
template <class T>
[[nodiscard]] std::vector<std::byte> dumps(const T& value) {
    (void)detail::argument_check<T>{};
    if constexpr (Picklable<T>) {
        detail::vector_buffer buffer;
        detail::dump(buffer, value);
        return std::move(buffer).take();
    } else {
        return {};
    }
}

/// A string literal, or text in an array, travels as a `std::string`.
template <std::size_t N>
[[nodiscard]] std::vector<std::byte> dumps(const char (&text)[N]) {
    return dumps(std::string(text, ::strnlen(text, N)));
}

/// Returns the value whose bytes `dumps` gave.
/// @throws UnpicklingError when they are damaged, or are the bytes of a value of another type.
/// @par Python `pickle.loads(bytes)`. Foreign bytes run no code but the `serialize` of T.
template <class T>
[[nodiscard]] T loads(std::span<const std::byte> bytes) {
    (void)detail::argument_check<T>{};
    if constexpr (Picklable<T>) {
        detail::input_cursor cursor(bytes);
        const auto header = cursor.read_value<detail::pickle_header>();
        const detail::pickle_header expected;
        if (header.magic != expected.magic || header.version != expected.version)
            throw UnpicklingError("loads: these are not the bytes of a pickled value");
        if (header.type != detail::type_tag<T>())
            throw UnpicklingError("loads: the bytes hold another type than " +
                                  detail::type_name(typeid(T)));
        if (header.size != cursor.remaining())
            throw UnpicklingError("loads: the data end too early or too late");
        T value = detail::load<T>(cursor);
        if (cursor.remaining() != 0)
            throw UnpicklingError("loads: bytes are left after the value");
        return value;
    } else {
        throw UnpicklingError("loads");
    }
}

}  // namespace v0
}  // namespace multiprocessing
