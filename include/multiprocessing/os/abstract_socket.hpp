// SPDX-License-Identifier: BSL-1.0
// Packet sockets with a name that is in no file system: it is gone with the last descriptor.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

namespace detail {
struct abstract_address {
    explicit abstract_address(std::string_view name) noexcept {
        value.sun_family = AF_UNIX;
        const std::size_t used = name.copy(value.sun_path + 1, sizeof value.sun_path - 1);
        size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + used);
    }
    [[nodiscard]] const sockaddr* get() const noexcept {
        return reinterpret_cast<const sockaddr*>(&value);
    }

    sockaddr_un value{};
    socklen_t size = 0;
};

inline descriptor packet_socket(int flags) {
    return new_descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0), "socket");
}
}  // namespace detail

/// A socket that accepts connections under `name`; non-blocking.
/// @returns nothing when another socket has the name
inline std::optional<descriptor> listen_abstract(std::string_view name) {
    descriptor socket = detail::packet_socket(SOCK_NONBLOCK);
    const detail::abstract_address address(name);
    if (::bind(socket.get(), address.get(), address.size) < 0) {
        if (errno == EADDRINUSE)
            return std::nullopt;
        throw_system_error("bind(abstract socket)");
    }
    check(::listen(socket.get(), SOMAXCONN), "listen");
    return socket;
}

/// A connection to the socket of that name. The other end need not have accepted it yet.
/// @returns nothing when no socket has the name
inline std::optional<descriptor> connect_abstract(std::string_view name) {
    descriptor socket = detail::packet_socket(0);  // blocking: a full backlog is waited for
    const detail::abstract_address address(name);
    if (retry([&] { return ::connect(socket.get(), address.get(), address.size); }) < 0) {
        if (errno == ECONNREFUSED)
            return std::nullopt;
        throw_system_error("connect(abstract socket)");
    }
    return socket;
}

/// Accepts one connection, if there is one.
inline std::optional<descriptor> accept_packet_connection(int listener) {
    const int fd =
        retry([&] { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); });
    if (fd < 0)
        return std::nullopt;
    return above_standard_streams(descriptor(fd));
}

/// Whether the process at the other end belongs to the same user as this one.
inline bool peer_is_same_user(int socket) noexcept {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.uid == ::geteuid();
}

/// Whether the descriptor is a socket that accepts connections.
inline bool is_listening(int fd) noexcept {
    int listening = 0;
    socklen_t size = sizeof listening;
    return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening == 1;
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
