// SPDX-License-Identifier: BSL-1.0
// Messages by bare system calls: whole ones through a descriptor, and Unix sockets with a name.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "timing.hpp"

namespace benchmark {

inline void put(int fd, const void* bytes, std::size_t size) {
    const auto* next = static_cast<const char*>(bytes);
    while (size > 0) {
        const auto n = ::write(fd, next, size);
        require(n > 0, "write");
        next += n;
        size -= static_cast<std::size_t>(n);
    }
}
inline void get(int fd, void* bytes, std::size_t size) {
    auto* next = static_cast<char*>(bytes);
    while (size > 0) {
        const auto n = ::read(fd, next, size);
        require(n > 0, "read");
        next += n;
        size -= static_cast<std::size_t>(n);
    }
}

/// Runs `child(fd)` in another process and `parent(fd)` in this one, between them a socket pair.
template <class Child, class Parent>
auto with_child(Child child, Parent parent) {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    auto result = beside([&] { child(ends[1]); }, [&] { return parent(ends[0]); });
    ::close(ends[0]);
    ::close(ends[1]);
    return result;
}

/// The address of a Unix socket that leaves no file behind: an abstract one.
class UnixAddress {
  public:
    explicit UnixAddress(const std::string& name) {
        address_.sun_family = AF_UNIX;
        name.copy(address_.sun_path + 1, sizeof address_.sun_path - 1);
    }
    /// @returns a socket that listens here
    [[nodiscard]] int listen() const {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        require(::bind(fd, generic(), sizeof address_) == 0 && ::listen(fd, 128) == 0, "listen");
        return fd;
    }
    /// @returns a socket that is connected to the one that listens
    [[nodiscard]] int connect() const {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        require(::connect(fd, generic(), sizeof address_) == 0, "connect");
        return fd;
    }

  private:
    [[nodiscard]] const sockaddr* generic() const {
        return reinterpret_cast<const sockaddr*>(&address_);
    }
    sockaddr_un address_{};
};

}  // namespace benchmark
