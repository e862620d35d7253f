// SPDX-License-Identifier: BSL-1.0
// Connected sockets that carry a stream of bytes; no call raises SIGPIPE, none but the waits waits.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// Two connected ends, closed on exec. They are in blocking mode, as foreign programs expect that
/// are given one; the calls below do not depend on it.
inline std::pair<descriptor, descriptor> stream_pair() {
    int ends[2];
    const int result = ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    return new_descriptors(result, ends, "socketpair");
}

/// @throws std::system_error: EBADF for no descriptor, ENOTSOCK for no socket, EPROTOTYPE for a
///     socket of another kind
inline void require_stream_socket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    check(::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), "getsockopt(SO_TYPE)");
    if (type != SOCK_STREAM)
        throw_system_error("a connection needs a stream socket", EPROTOTYPE);
}

enum class transfer_state { done, would_block, closed };

struct transfer {
    transfer_state state = transfer_state::done;
    std::size_t size = 0;  ///< the bytes that were moved when done
};

/// Sends as much of two pieces as there is room for.
/// @throws std::system_error for every failure but a full buffer and a closed other end
inline transfer send_some(int fd, std::span<const std::byte> first,
                          std::span<const std::byte> second) {
    constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    std::array<std::byte, 4096 + 16> joined;
    ssize_t sent = 0;
    if (first.size() + second.size() <= joined.size()) {
        // sendmsg costs more than this copy
        std::ranges::copy(second, std::ranges::copy(first, joined.begin()).out);
        sent =
            retry([&] { return ::send(fd, joined.data(), first.size() + second.size(), flags); });
    } else {
        std::array<iovec, 2> pieces{iovec{const_cast<std::byte*>(first.data()), first.size()},
                                    iovec{const_cast<std::byte*>(second.data()), second.size()}};
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces.size();
        sent = retry([&] { return ::sendmsg(fd, &message, flags); });
    }
    if (sent >= 0)
        return {transfer_state::done, static_cast<std::size_t>(sent)};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
        return {transfer_state::would_block};
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        return {transfer_state::closed};
    throw_system_error("send");
}

/// Receives what is there, at most as much as fits.
/// @throws std::system_error for every failure but an empty buffer and a closed other end
inline transfer receive_some(int fd, std::span<std::byte> target) {
    const auto got = retry([&] { return ::recv(fd, target.data(), target.size(), MSG_DONTWAIT); });
    if (got > 0)
        return {transfer_state::done, static_cast<std::size_t>(got)};
    if (got == 0 || errno == ECONNRESET || errno == ENOTCONN)
        return {transfer_state::closed};
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return {transfer_state::would_block};
    throw_system_error("recv");
}

/// The other end sees the end of the stream after what was sent so far.
inline void shut_down_sending(int fd) noexcept {
    ::shutdown(fd, SHUT_WR);
}

/// Waits until one of the descriptors is readable or hung up, at most `limit`. A signal ends the
/// wait early.
/// @returns for each whether it is
/// @throws std::system_error (EBADF) when one of them is not open
inline std::vector<bool> poll_all_readable(std::span<const int> fds,
                                           std::chrono::nanoseconds limit) {
    std::vector<pollfd> entries;
    entries.reserve(fds.size());
    for (const int fd : fds)
        entries.push_back({fd, POLLIN, 0});
    const timespec time{static_cast<time_t>(limit.count() / 1'000'000'000),
                        static_cast<long>(limit.count() % 1'000'000'000)};
    if (::ppoll(entries.data(), entries.size(), &time, nullptr) < 0) {
        if (errno != EINTR)
            throw_system_error("ppoll");
        return std::vector<bool>(fds.size());
    }
    std::vector<bool> ready;
    ready.reserve(fds.size());
    for (const pollfd& entry : entries) {
        if (entry.fd < 0 || (entry.revents & POLLNVAL) != 0)
            throw_system_error("wait: descriptor " + std::to_string(entry.fd) + " is not open",
                               EBADF);
        ready.push_back(entry.revents != 0);
    }
    return ready;
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
