// SPDX-License-Identifier: BSL-1.0
// Waiting for several descriptors: once, or again and again through one that can itself be polled.
#pragma once

#include <poll.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// One descriptor to wait for: set `fd` (negative: skipped) and `writable`, read `ready`.
struct watched {
    int fd = -1;
    bool writable = false;
    bool ready = false;
};

/// Waits until one of them is ready, at most `limit` (negative: for ever). A signal ends it early.
template <std::size_t Count>
bool wait_any(std::span<watched, Count> entries, std::chrono::milliseconds limit) {
    pollfd polled[Count];
    for (std::size_t i = 0; i < Count; ++i)
        polled[i] = {entries[i].fd,
                     static_cast<short>(entries[i].writable ? POLLIN | POLLOUT : POLLIN), 0};
    const int count =
        ::poll(polled, Count, limit.count() < 0 ? -1 : static_cast<int>(limit.count()));
    if (count < 0 && errno != EINTR)
        throw_system_error("poll");
    for (std::size_t i = 0; i < Count; ++i)
        entries[i].ready = count > 0 && polled[i].revents != 0;
    return count > 0;
}

/// An epoll descriptor: readable when one of its members is.
class wait_set {
  public:
    wait_set() : fd_(new_descriptor(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    void add(int member) { control(EPOLL_CTL_ADD, member, EPOLLIN); }
    /// Waits for room to write, too, or no more.
    void set_writable(int member, bool writable) { set(member, true, writable); }
    /// Waits for something to read, for room to write, for both or for neither.
    void set(int member, bool readable, bool writable) {
        control(EPOLL_CTL_MOD, member, (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u));
    }
    /// Before a member is closed that another process may have, too.
    void remove(int member) { control(EPOLL_CTL_DEL, member, 0); }

    /// Waits until a member is ready, at most `limit` (negative: for ever), and lists those that
    /// are. A signal ends the wait early.
    void wait(std::vector<int>& ready, std::chrono::milliseconds limit) const {
        std::array<epoll_event, 64> events;
        const int count = ::epoll_wait(fd_.get(), events.data(), static_cast<int>(events.size()),
                                       limit.count() < 0 ? -1 : static_cast<int>(limit.count()));
        if (count < 0 && errno != EINTR)
            throw_system_error("epoll_wait");
        ready.clear();
        for (int i = 0; i < count; ++i)
            ready.push_back(events[static_cast<std::size_t>(i)].data.fd);
    }

  private:
    void control(int operation, int member, std::uint32_t events) {
        epoll_event interest{};
        interest.events = events;
        interest.data.fd = member;
        check(::epoll_ctl(fd_.get(), operation, member, &interest), "epoll_ctl");
    }

    descriptor fd_;
};

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
