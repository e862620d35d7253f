// SPDX-License-Identifier: BSL-1.0
// How a message lies in a stream of bytes, as CPython writes it: its length, then its bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/os/descriptor.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The length before a message: 4 bytes, signed, the most significant one first; for a message
/// longer than those can say -1, then 8 bytes.
class frame_header {
  public:
    explicit frame_header(std::size_t length) noexcept {
        if (length <= longest_short) {
            put(0, 4, length);
            size_ = 4;
        } else {
            put(0, 4, 0xffffffff);
            put(4, 8, length);
            size_ = 12;
        }
    }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return std::span(bytes_).first(size_);
    }

    static constexpr std::uint64_t longest_short = 0x7fffffff;
    static constexpr std::uint64_t longest = std::numeric_limits<std::int64_t>::max();

  private:
    void put(std::size_t at, std::size_t count, std::uint64_t number) noexcept {
        for (std::size_t i = 0; i < count; ++i)
            bytes_[at + i] = static_cast<std::byte>(number >> (8 * (count - 1 - i)) & 0xff);
    }

    std::array<std::byte, 12> bytes_{};
    std::size_t size_ = 0;
};

[[noreturn]] inline void throw_bad_length(const char* why) {
    os::throw_system_error(std::string("connection: bad message length: ") + why, EMSGSIZE);
}

// A Source is called with a span, puts at least one byte there and returns how many, or 0 at the
// end of the stream.

/// Fills the span.
/// @throws EOFError when the stream ends before; `begun` says whether that is inside a message
template <class Source>
void read_exactly(Source& source, std::span<std::byte> target, bool begun) {
    while (!target.empty()) {
        const std::size_t got = source(target);
        if (got == 0)
            throw EOFError(begun ? "connection: the other end closed in the middle of a message"
                                 : "connection: the other end is closed");
        target = target.subspan(got);
        begun = true;
    }
}

template <std::size_t Count, class Source>
std::uint64_t read_number(Source& source, bool begun) {
    std::array<std::byte, Count> bytes;
    detail::read_exactly(source, bytes, begun);
    std::uint64_t number = 0;
    for (const std::byte byte : bytes)
        number = number << 8 | std::to_integer<std::uint64_t>(byte);
    return number;
}

/// Reads the length of the next message.
/// @throws EOFError; std::system_error (EMSGSIZE) when no message has such a length
template <class Source>
std::uint64_t read_length(Source& source) {
    std::uint64_t length = detail::read_number<4>(source, false);
    if (length == 0xffffffff)
        length = detail::read_number<8>(source, true);
    else if (length > frame_header::longest_short)
        throw_bad_length("it is negative");
    if (length > frame_header::longest)
        throw_bad_length("it is larger than any message");
    return length;
}

/// Reads a message of that length. Memory is taken as the bytes arrive, never for more than twice
/// as many as have: a forged length costs nothing.
template <class Source>
void read_body(Source& source, std::uint64_t length, output_buffer& out) {
    constexpr std::uint64_t first_step = std::uint64_t{256} << 10;
    for (std::uint64_t left = length; left > 0;) {
        const auto step = static_cast<std::size_t>(
            std::min(left, std::max<std::uint64_t>(first_step, out.size())));
        std::byte* const place = out.reserve(step);
        const std::size_t got = source(std::span(place, step));
        if (got == 0)
            throw EOFError("connection: the other end closed in the middle of a message");
        out.commit(got);
        left -= got;
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
