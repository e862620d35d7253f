// SPDX-License-Identifier: BSL-1.0
// The framing: the very bytes that CPython writes, and what becomes of bytes that nobody should
// send.
#include <algorithm>
#include <cerrno>
#include <multiprocessing/connection/frame.hpp>
#include <multiprocessing/serialization/pickle.hpp>
#include <string>
#include <string_view>

#include "connection/connection_tools.hpp"

using namespace connection_test;
using namespace std::string_literals;

namespace {

/// A stream that gives at most `piece` bytes at a time.
struct TextSource {
    std::string text;
    std::size_t piece = 1000;
    std::size_t asked = 0;  // the most that was ever asked for at once

    std::size_t operator()(std::span<std::byte> target) {
        asked = std::max(asked, target.size());
        const std::size_t count = std::min({target.size(), piece, text.size()});
        std::memcpy(target.data(), text.data(), count);
        text.erase(0, count);
        return count;
    }
};

std::string header(std::size_t length) {
    return text_of(mp::detail::frame_header(length).bytes());
}
std::uint64_t length_of(const std::string& bytes) {
    TextSource source{bytes};
    return mp::detail::read_length(source);
}
int error_of_bytes(const std::string& bytes) {
    return error_of([&] { (void)length_of(bytes); });
}

}  // namespace

TEST_CASE("A length is four bytes, and twelve beyond two gibibytes", "[frame]") {
    CHECK(header(0) == "\0\0\0\0"s);
    CHECK(header(0x01020304) == "\x01\x02\x03\x04"s);
    CHECK(header(0x7fffffff) == "\x7f\xff\xff\xff"s);
    CHECK(header(0x80000000) == "\xff\xff\xff\xff\0\0\0\0\x80\0\0\0"s);
    CHECK(header(0x0102030405060708) == "\xff\xff\xff\xff\x01\x02\x03\x04\x05\x06\x07\x08"s);
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{0x7fffffff},
                                     std::size_t{0x80000000}, std::size_t{1} << 62})
        CHECK(length_of(header(length)) == length);
}

TEST_CASE("Lengths that no message has are errors", "[frame]") {
    CHECK(error_of_bytes("\xff\xff\xff\xfe"s) == EMSGSIZE);
    CHECK(error_of_bytes("\x80\0\0\0"s) == EMSGSIZE);
    CHECK(error_of_bytes("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0"s) == EMSGSIZE);
    CHECK(error_of_bytes("\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s) == 0);
}

TEST_CASE("A stream that ends says whether that was inside a message", "[frame]") {
    using Catch::Matchers::Contains;
    CHECK_THROWS_WITH(length_of(""), Contains("is closed"));
    CHECK_THROWS_WITH(length_of("\0\0"s), Contains("in the middle"));
    CHECK_THROWS_WITH(length_of("\xff\xff\xff\xff"s), Contains("in the middle"));
    TextSource source{"abc"};
    mp::detail::heap_buffer out;
    CHECK_THROWS_AS(mp::detail::read_body(source, 4, out), mp::EOFError);
}

TEST_CASE("A body that arrives in pieces of any size is put together", "[frame]") {
    const std::size_t piece = GENERATE(1u, 7u, 4096u, 1u << 20);
    const std::string text = text_of(pattern(600000, 1));
    TextSource source{piece < 100 ? text.substr(0, 3000) : text, piece};
    const std::string wanted = source.text;
    mp::detail::vector_buffer out;
    mp::detail::read_body(source, wanted.size(), out);
    CHECK(text_of(std::move(out).take()) == wanted);
}

TEST_CASE("A forged length takes no memory", "[frame]") {
    TextSource source{std::string(100, 'x')};
    mp::detail::heap_buffer out;
    CHECK_THROWS_AS(mp::detail::read_body(source, mp::detail::frame_header::longest, out),
                    mp::EOFError);
    CHECK(source.asked <= 256 * 1024);

    TextSource long_source{std::string(1 << 20, 'x')};
    CHECK_THROWS_AS(mp::detail::read_body(long_source, std::uint64_t{1} << 40, out), mp::EOFError);
    CHECK(long_source.asked <= 2 << 20);
}
