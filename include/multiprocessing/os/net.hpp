// SPDX-License-Identifier: BSL-1.0
// Sockets with addresses: names to addresses and back, listening, connecting, accepting.
#pragma once

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// The address of a socket, of any family.
struct socket_address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] int family() const noexcept { return storage.ss_family; }
    [[nodiscard]] bool is_unix() const noexcept { return family() == AF_UNIX; }
    [[nodiscard]] const sockaddr* get() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
    [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

/// @param path of a file; or, when it begins with NUL, an abstract name
/// @throws std::system_error (ENAMETOOLONG)
inline socket_address unix_address(std::string_view path) {
    sockaddr_un value{};
    value.sun_family = AF_UNIX;
    const bool abstract = !path.empty() && path.front() == '\0';
    if (path.size() + (abstract ? 0 : 1) > sizeof value.sun_path)
        throw_system_error("the path of a socket is longer than 107 characters", ENAMETOOLONG);
    path.copy(value.sun_path, path.size());
    socket_address result;
    std::memcpy(&result.storage, &value, sizeof value);
    result.size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
    return result;
}

/// @returns the path or the abstract name; empty for a socket without a name
inline std::string unix_path(const socket_address& address) {
    sockaddr_un value{};
    std::memcpy(&value, &address.storage, sizeof value);
    const std::size_t size = std::max<std::size_t>(address.size, offsetof(sockaddr_un, sun_path)) -
                             offsetof(sockaddr_un, sun_path);
    const std::string name(value.sun_path, std::min(size, sizeof value.sun_path));
    return !name.empty() && name.front() == '\0' ? name : std::string(name.c_str());
}

/// The numeric host and the port of an internet address.
inline std::pair<std::string, std::uint16_t> host_and_port(const socket_address& address) {
    char host[NI_MAXHOST] = {};
    char port[NI_MAXSERV] = {};
    const int error = ::getnameinfo(address.get(), address.size, host, sizeof host, port,
                                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0)
        throw_system_error(std::string("getnameinfo: ") + ::gai_strerror(error), EADDRNOTAVAIL);
    return {host, static_cast<std::uint16_t>(std::stoi(port))};
}

/// All addresses of a host, those of IPv4 first, because that is where Python looks.
/// @param host a name or a number; empty: every address of this machine, to listen at
/// @throws std::system_error (EADDRNOTAVAIL) when there are none
inline std::vector<socket_address> resolve(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                    std::to_string(port).c_str(), &hints, &list);
    if (error == EAI_SYSTEM)
        throw_system_error("getaddrinfo(" + host + ")");
    if (error != 0)
        throw_system_error("getaddrinfo(" + host + "): " + ::gai_strerror(error), EADDRNOTAVAIL);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, &::freeaddrinfo);
    std::vector<socket_address> found;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        socket_address address;
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.size = entry->ai_addrlen;
        found.push_back(address);
    }
    std::ranges::stable_partition(found, [](const auto& each) { return each.family() == AF_INET; });
    return found;
}

namespace detail {
inline descriptor stream_socket(const socket_address& address, int flags) {
    return new_descriptor(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | flags, 0),
                          "socket");
}
/// A message that was sent is on its way: nothing waits for more to come.
inline void send_at_once(int fd, const socket_address& address) noexcept {
    const int on = 1;
    if (!address.is_unix())
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
}  // namespace detail

/// A socket that has the address and does not listen yet; non-blocking.
/// @throws std::system_error (EADDRINUSE, EACCES, ...)
inline descriptor bind_stream(const socket_address& address) {
    descriptor socket = detail::stream_socket(address, SOCK_NONBLOCK);
    const int on = 1;
    if (!address.is_unix())
        check(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on),
              "setsockopt(SO_REUSEADDR)");
    check(::bind(socket.get(), address.get(), address.size), "bind");
    return socket;
}

inline void listen(int fd, int backlog) {
    check(::listen(fd, backlog), "listen");
}

/// Lets nobody else connect to the socket at this path.
inline void make_private(const std::string& path) {
    check(::chmod(path.c_str(), S_IRUSR | S_IWUSR), "chmod");
}

inline socket_address address_of(int fd) {
    socket_address address;
    address.size = sizeof address.storage;
    check(::getsockname(fd, address.get(), &address.size), "getsockname");
    return address;
}

/// Connects to an address; calls `pause()` whenever a slice of waiting is over.
/// @throws std::system_error, and what `pause` throws
template <class Pause>
descriptor connect_stream(const socket_address& address, std::chrono::microseconds slice,
                          Pause pause) {
    descriptor socket = detail::stream_socket(address, 0);
    // connect() has no other way to end early, and a Unix socket whose listener's backlog is full
    // cannot be polled for room.
    const auto set_limit = [&](std::chrono::microseconds limit) {
        const timeval time{0, static_cast<suseconds_t>(limit.count())};
        check(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time),
              "setsockopt(SO_SNDTIMEO)");
    };
    set_limit(slice);
    while (::connect(socket.get(), address.get(), address.size) < 0 && errno != EISCONN) {
        if (errno != EAGAIN && errno != EINPROGRESS && errno != EALREADY && errno != EINTR)
            throw_system_error("connect");
        pause();
    }
    set_limit(std::chrono::microseconds::zero());
    detail::send_at_once(socket.get(), address);
    return socket;
}

/// Accepts a connection if one is there.
/// @throws std::system_error (EMFILE, ...); the connection then still waits
inline std::optional<std::pair<descriptor, socket_address>> accept_stream(int listener) {
    socket_address peer;
    peer.size = sizeof peer.storage;
    const int fd = retry([&] { return ::accept4(listener, peer.get(), &peer.size, SOCK_CLOEXEC); });
    if (fd < 0) {
        // ECONNABORTED and what the network reports early: that client is gone, others may come
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EPROTO ||
            errno == ENETDOWN || errno == EHOSTUNREACH || errno == ENETUNREACH)
            return std::nullopt;
        throw_system_error("accept");
    }
    descriptor socket = above_standard_streams(descriptor(fd));
    detail::send_at_once(socket.get(), peer);
    return std::pair(std::move(socket), peer);
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
