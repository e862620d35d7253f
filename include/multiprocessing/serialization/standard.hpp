// SPDX-License-Identifier: BSL-1.0
// How the standard library's types are written and read, one function pair for each kind of type.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include <multiprocessing/os/huge_pages.hpp>
#include <multiprocessing/serialization/archive.hpp>
#include <multiprocessing/serialization/parts.hpp>
#include <multiprocessing/serialization/picklable.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

// ---- elements: each takes at least one byte, so that a count is bounded by the bytes that follow

template <class T>
void encode_element(writer& out, const T& value) {
    if constexpr (bitwise<T>) {
        out.bytes(&value, sizeof value);
    } else {
        const std::size_t before = out.buffer().size();
        detail::encode(out, value);
        if (out.buffer().size() == before)
            out.value(std::uint8_t{0});
    }
}
template <class T>
void decode_element(reader& in, T& value) {
    const std::size_t before = in.remaining();
    detail::decode(in, value);
    if (in.remaining() == before)
        (void)in.value<std::uint8_t>();
}

/// How many elements to make room for: an honest count of small elements whole, a forged one never
/// more memory than the data themselves took.
template <class T>
std::size_t room_for(const reader& in, std::size_t count) {
    return std::min(count, in.remaining() / sizeof(T) + 16);
}

// ---- blocks

/// Iterates over values of T in bytes that may be misaligned.
template <class T>
class unaligned_iterator {
  public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = T;

    explicit unaligned_iterator(const std::byte* place) noexcept : place_(place) {}
    T operator*() const noexcept {
        aligned copy;
        std::memcpy(static_cast<void*>(&copy.value), place_, sizeof(T));
        return copy.value;
    }
    unaligned_iterator& operator++() noexcept {
        place_ += sizeof(T);
        return *this;
    }
    unaligned_iterator operator++(int) noexcept {
        unaligned_iterator old = *this;
        ++*this;
        return old;
    }
    unaligned_iterator& operator--() noexcept { return *this += -1; }
    unaligned_iterator& operator+=(difference_type count) noexcept {
        place_ += count * static_cast<difference_type>(sizeof(T));
        return *this;
    }
    friend bool operator==(const unaligned_iterator&, const unaligned_iterator&) = default;
    friend difference_type operator-(const unaligned_iterator& a,
                                     const unaligned_iterator& b) noexcept {
        return (a.place_ - b.place_) / static_cast<difference_type>(sizeof(T));
    }

  private:
    union aligned {
        aligned() noexcept : nothing() {}
        char nothing;
        T value;
    };

    const std::byte* place_;
};

/// The bytes of a large block start at a multiple of 64 in the buffer: a reader whose buffer is
/// aligned copies it as an array.
inline constexpr std::size_t large_block = 4096;
inline std::size_t padding_at(std::size_t offset) noexcept {
    return (64 - offset % 64) % 64;
}

template <class C, class T>
void encode_block(writer& out, const C& values) {
    const std::size_t count = values.size();
    out.count(count);
    if constexpr (bitwise<T>) {
        if (count == 0)
            return;
        if (count * sizeof(T) >= large_block) {
            static constexpr std::byte zeros[64] = {};
            const std::size_t padding = padding_at(out.buffer().size() + 1);
            out.value(static_cast<std::uint8_t>(padding));
            out.bytes(zeros, padding);
            out.block(std::addressof(*std::begin(values)), count * sizeof(T));
        } else {
            out.bytes(std::addressof(*std::begin(values)), count * sizeof(T));
        }
    } else {
        for (const auto& value : values)
            detail::encode_element(out, value);
    }
}

template <class C, class T>
void decode_block(reader& in, C& values) {
    if constexpr (bitwise<T>) {
        const std::size_t count = in.count(sizeof(T));
        const std::size_t size = count * sizeof(T);
        if (size >= large_block)
            (void)in.cursor().take(in.value<std::uint8_t>());
        const std::byte* place = in.cursor().take(size);
        if constexpr (std::is_copy_assignable_v<T> &&
                      requires { values.assign(std::size_t{}, T{}); }) {
            if (size >= os::huge_page) {
                values.clear();
                values.reserve(count);
                os::advise_huge_pages(values.data(), size);
            }
            // Assigning fills the memory once; resizing first would write zeros into it before.
            if (reinterpret_cast<std::uintptr_t>(place) % alignof(T) == 0) {
                const T* first = reinterpret_cast<const T*>(place);
                values.assign(first, first + count);
            } else {
                values.assign(unaligned_iterator<T>(place), unaligned_iterator<T>(place + size));
            }
        } else {
            values.resize(count);
            if (size != 0)
                std::memcpy(static_cast<void*>(std::addressof(*std::begin(values))), place, size);
        }
    } else if constexpr (requires { values.emplace_back(); }) {
        const std::size_t count = in.count();
        values.clear();
        values.reserve(room_for<T>(in, count));
        for (std::size_t i = 0; i != count; ++i)
            detail::decode_element(in, values.emplace_back());
    } else {
        // A valarray cannot grow element by element: collect them, then copy.
        std::vector<T> collected;
        detail::decode_block<std::vector<T>, T>(in, collected);
        values.resize(collected.size());
        std::move(collected.begin(), collected.end(), std::begin(values));
    }
}

// ---- containers of nodes

template <class C>
void encode_sequence(writer& out, const C& values) {
    out.count(static_cast<std::size_t>(std::distance(values.begin(), values.end())));
    for (auto&& value : values)
        detail::encode_element(out, static_cast<const typename C::value_type&>(value));
}

template <class C>
void decode_sequence(reader& in, C& values) {
    const std::size_t count = in.count();
    values.clear();
    if constexpr (requires { values.before_begin(); }) {
        auto last = values.before_begin();
        for (std::size_t i = 0; i != count; ++i) {
            last = values.emplace_after(last);
            detail::decode_element(in, *last);
        }
    } else {
        for (std::size_t i = 0; i != count; ++i) {
            if constexpr (std::is_same_v<typename C::value_type, bool>) {
                bool value = false;
                detail::decode_element(in, value);
                values.push_back(value);
            } else {
                detail::decode_element(in, values.emplace_back());
            }
        }
    }
}

template <class C>
void decode_set(reader& in, C& values) {
    const std::size_t count = in.count();
    values.clear();
    for (std::size_t i = 0; i != count; ++i) {
        auto key = typename C::key_type();
        detail::decode_element(in, key);
        values.emplace_hint(values.end(), std::move(key));
    }
}

template <class C>
void encode_map(writer& out, const C& values) {
    out.count(values.size());
    for (const auto& [key, value] : values) {
        detail::encode_element(out, key);
        detail::encode(out, value);
    }
}

template <class C>
void decode_map(reader& in, C& values) {
    const std::size_t count = in.count();
    values.clear();
    for (std::size_t i = 0; i != count; ++i) {
        auto key = typename C::key_type();
        detail::decode_element(in, key);
        auto value = typename C::mapped_type();
        detail::decode(in, value);
        values.emplace_hint(values.end(), std::move(key), std::move(value));
    }
}

// ---- one of several, one or none

template <class V>
void encode_variant(writer& out, const V& value) {
    if (value.valueless_by_exception())
        throw PicklingError("pickling: a std::variant without a value");
    out.value(static_cast<std::uint32_t>(value.index()));
    std::visit([&](const auto& alternative) { detail::encode(out, alternative); }, value);
}

template <class V>
void decode_variant(reader& in, V& value) {
    const auto index = in.value<std::uint32_t>();
    const bool found = [&]<std::size_t... I>(std::index_sequence<I...>) {
        return ((I == index && (detail::decode(in, value.template emplace<I>()), true)) || ...);
    }
    (std::make_index_sequence<std::variant_size_v<V>>{});
    if (!found)
        throw UnpicklingError("unpickling: a std::variant has no such alternative");
}

template <class T>
void decode_optional(reader& in, std::optional<T>& value) {
    if (in.flag())
        detail::decode(in, value.emplace());
    else
        value.reset();
}

// ---- the container inside an adaptor is a protected member named c

template <class A>
struct opened_adaptor : A {
    static typename A::container_type& inside(A& adaptor) { return adaptor.*&opened_adaptor::c; }
    static const typename A::container_type& inside(const A& adaptor) {
        return adaptor.*&opened_adaptor::c;
    }
};

// ---- bits

template <std::size_t N>
void encode_bits(writer& out, const std::bitset<N>& bits) {
    for (std::size_t i = 0; i < N; i += 8) {
        unsigned byte = 0;
        for (std::size_t j = i; j < std::min(i + 8, N); ++j)
            byte |= static_cast<unsigned>(bits[j]) << (j - i);
        out.value(static_cast<std::uint8_t>(byte));
    }
}
template <std::size_t N>
void decode_bits(reader& in, std::bitset<N>& bits) {
    for (std::size_t i = 0; i < N; i += 8) {
        const unsigned byte = in.value<std::uint8_t>();
        for (std::size_t j = i; j < std::min(i + 8, N); ++j)
            bits[j] = ((byte >> (j - i)) & 1u) != 0;
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
