// SPDX-License-Identifier: BSL-1.0
// A connected pair of sockets that carries whole packets, with descriptors attached to them.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <multiprocessing/os/descriptor.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// The kernel's SCM_MAX_FD: no packet carries more descriptors.
inline constexpr std::size_t max_packet_descriptors = 253;

/// A second descriptor of the open file of one that somebody else owns; closed on exec.
inline descriptor duplicate(int fd) {
    return descriptor(check(::fcntl(fd, F_DUPFD_CLOEXEC, 3), "fcntl(F_DUPFD_CLOEXEC)"));
}

/// Writes all bytes to a file.
inline void write_all(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto wrote =
            check(retry([&] { return ::write(fd, bytes.data(), bytes.size()); }), "write");
        bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    }
}

/// Two ends that keep the borders of packets; both non-blocking and closed on exec.
inline std::pair<descriptor, descriptor> packet_pair() {
    int ends[2];
    const int result =
        ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
    return new_descriptors(result, ends, "socketpair");
}

enum class send_result { sent, would_block, closed };

/// Sends the parts as one packet; never waits.
/// @throws std::system_error for every failure but a full buffer and a closed other end
inline send_result send_packet(int fd, std::span<const std::span<const std::byte>> parts,
                               std::span<const int> descriptors = {}) {
    std::array<iovec, 4> pieces{};
    std::size_t count = 0;
    for (const auto& part : parts)
        pieces.at(count++) = {const_cast<std::byte*>(part.data()), part.size()};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * max_packet_descriptors)>
        control;
    if (!descriptors.empty()) {
        const std::size_t bytes = descriptors.size_bytes();
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(bytes);
        std::memset(control.data(), 0, message.msg_controllen);
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(bytes);
        std::memcpy(CMSG_DATA(header), descriptors.data(), bytes);
    }
    if (retry([&] { return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); }) >= 0)
        return send_result::sent;
    // ETOOMANYREFS: more descriptors are in flight than this user may have; it passes
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ETOOMANYREFS)
        return send_result::would_block;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        return send_result::closed;
    throw_system_error("sendmsg");
}

/// Receives one packet; never waits.
/// @returns its size, 0 when the other end is closed, nothing when no packet is there
/// @param lost set when descriptors did not arrive because this process has too many open
inline std::optional<std::size_t> receive_packet(int fd, std::span<std::byte> buffer,
                                                 std::vector<descriptor>& descriptors,
                                                 bool* lost = nullptr) {
    iovec piece{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * max_packet_descriptors)>
        control;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto got =
        retry([&] { return ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return std::nullopt;
        if (errno == ECONNRESET)
            return 0;
        throw_system_error("recvmsg");
    }
    const auto already = static_cast<std::ptrdiff_t>(descriptors.size());
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int received = -1;
            std::memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof received);
            descriptors.emplace_back(received);
        }
    }
    bool truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    const auto arrived = descriptors.begin() + already;  // all are owned before one is moved
    try {
        std::transform(std::make_move_iterator(arrived), std::make_move_iterator(descriptors.end()),
                       arrived, above_standard_streams);
    } catch (const std::system_error&) {
        descriptors.erase(arrived, descriptors.end());
        truncated = true;
    }
    if (lost != nullptr)
        *lost = truncated;
    return static_cast<std::size_t>(got);
}

/// Whether the descriptor is an end of a packet_pair.
inline bool is_packet_socket(int fd) noexcept {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/// Ends the connection for every process that holds a copy of this end.
inline void shut_down(int fd) noexcept {
    ::shutdown(fd, SHUT_RDWR);
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
