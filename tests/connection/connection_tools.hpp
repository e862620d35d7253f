// SPDX-License-Identifier: BSL-1.0
// What the tests of connections share: bytes from text, raw ends, and a deadline for every case.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <multiprocessing/connection.hpp>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "process/process_tools.hpp"
#include "support/process.hpp"

namespace connection_test {

using namespace process_test;
namespace connection = mp::connection;
using mp::Connection;

inline std::vector<std::byte> bytes_of(std::string_view text) {
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    return {first, first + text.size()};
}
inline std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A message that differs from others of its length.
inline std::vector<std::byte> pattern(std::size_t size, unsigned seed) {
    std::vector<std::byte> result(size);
    for (std::size_t i = 0; i < size; ++i)
        result[i] = static_cast<std::byte>(i * 31 + seed + (i >> 8));
    return result;
}

/// Whether another thread of this process sleeps in ppoll.
inline bool somebody_polls() {
    for (const int thread : test_support::numbers_in("/proc/self/task")) {
        std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/syscall");
        std::string number;
        file >> number;
        if (thread != ::getpid() && number == std::to_string(SYS_ppoll))
            return true;
    }
    return false;
}

/// A Connection whose other end is a bare socket, which may write anything.
struct RawPair {
    Connection connection;
    int fd = -1;

    RawPair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        connection = Connection(ends[0]);
        fd = ends[1];
    }
    RawPair(const RawPair&) = delete;
    RawPair& operator=(const RawPair&) = delete;
    ~RawPair() { close(); }
    void close() {
        if (fd >= 0)
            ::close(std::exchange(fd, -1));
    }
    void write(std::string_view bytes) const {
        REQUIRE(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    [[nodiscard]] std::string read(std::size_t size) const {
        std::string bytes(size, '\0');
        REQUIRE(::recv(fd, bytes.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
        return bytes;
    }
};

}  // namespace connection_test
