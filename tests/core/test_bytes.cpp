// SPDX-License-Identifier: BSL-1.0
// The output buffer and the input cursor.

#include <array>
#include <cstdint>
#include <cstring>
#include <multiprocessing/core/bytes.hpp>
#include <string>

#include "support/catch.hpp"

using multiprocessing::UnpicklingError;
using multiprocessing::detail::heap_buffer;
using multiprocessing::detail::input_cursor;

TEST_CASE("What is appended is read in the same order", "[bytes]") {
    heap_buffer out;
    for (std::uint32_t i = 0; i < 10000; ++i)
        out.append_value(i);
    out.append("tail", 4);
    REQUIRE(out.size() == 40004);

    input_cursor in(out.bytes());
    for (std::uint32_t i = 0; i < 10000; ++i) {
        if (in.read_value<std::uint32_t>() != i)
            FAIL("value " << i);
    }
    std::array<char, 4> tail{};
    in.read(tail.data(), tail.size());
    REQUIRE(std::memcmp(tail.data(), "tail", 4) == 0);
    REQUIRE(in.remaining() == 0);
}

TEST_CASE("Reading past the end throws and moves nothing", "[bytes]") {
    heap_buffer out;
    out.append_value(std::uint16_t{7});
    input_cursor in(out.bytes());
    REQUIRE_THROWS_AS(in.read_value<std::uint32_t>(), UnpicklingError);
    REQUIRE_THROWS_AS(in.take(std::size_t(-1)), UnpicklingError);
    REQUIRE(in.read_value<std::uint16_t>() == 7);
}

TEST_CASE("An empty cursor has nothing, and reading nothing succeeds", "[bytes]") {
    input_cursor in;
    REQUIRE(in.remaining() == 0);
    REQUIRE_NOTHROW(in.read(nullptr, 0));
    REQUIRE_THROWS_AS(in.read_value<char>(), UnpicklingError);
}

TEST_CASE("truncate forgets the last bytes and never adds any", "[bytes]") {
    heap_buffer out;
    out.append("abcdef", 6);
    out.truncate(3);
    REQUIRE(out.size() == 3);
    out.truncate(100);
    REQUIRE(out.size() == 3);
    out.append("X", 1);
    REQUIRE(std::memcmp(out.data(), "abcX", 4) == 0);
}

TEST_CASE("reserve and commit write in place", "[bytes]") {
    heap_buffer out;
    std::byte* place = out.reserve(1000);
    std::memset(place, 1, 1000);
    REQUIRE(out.size() == 0);
    out.commit(10);
    REQUIRE(out.size() == 10);
}

TEST_CASE("A moved buffer keeps its bytes; a cleared one its memory", "[bytes]") {
    heap_buffer first;
    first.append("hello", 5);
    const std::byte* place = first.data();
    heap_buffer second(std::move(first));
    REQUIRE(second.data() == place);
    REQUIRE(second.size() == 5);
    second.clear();
    REQUIRE(second.size() == 0);
    second.append("x", 1);
    REQUIRE(second.data() == place);
}
