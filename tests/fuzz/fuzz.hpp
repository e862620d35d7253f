// SPDX-License-Identifier: BSL-1.0
// What a fuzz target gives to the one who drives it, libFuzzer or driver.cpp, and its own checks.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <multiprocessing/connection.hpp>
#include <string>
#include <string_view>
#include <vector>

/// One input; aborts when the library does what it must not.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

namespace mp = multiprocessing;

/// Inputs that the target knows to be near to interesting ones.
std::vector<std::string> seeds();

inline constexpr std::size_t longest_input = 4096;

inline void require(bool condition, const char* what) {
    if (!condition) {
        std::fprintf(stderr, "%s\n", what);
        std::abort();
    }
}

inline std::string framed(std::string_view text) {
    const auto header = mp::detail::frame_header(text.size());
    const auto bytes = header.bytes();
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) +
           std::string(text);
}

/// A connection whose other side has sent these bytes and will send no more.
inline mp::Connection connection_with(std::string_view bytes) {
    auto [mine, other] = mp::os::stream_pair();
    require(::send(other.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()),
            "the input does not fit into a socket");
    return mp::Connection(mine.release());
}

}  // namespace fuzz
