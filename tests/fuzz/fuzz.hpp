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
#include <utility>
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

/// A connection whose other side has sent some bytes and will send no more, but can be sent to.
struct Fed {
    mp::os::descriptor other;
    mp::Connection connection;

    explicit Fed(std::string_view bytes) {
        auto [mine, theirs] = mp::os::stream_pair();
        require(::send(theirs.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                    static_cast<ssize_t>(bytes.size()),
                "the input does not fit into a socket");
        mp::os::shut_down_sending(theirs.get());
        other = std::move(theirs);
        connection = mp::Connection(mine.release());
    }
};

}  // namespace fuzz
