// SPDX-License-Identifier: BSL-1.0
// Owned file descriptors, and the one place where a failed system call becomes an exception.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cerrno>

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include <multiprocessing/core/timeout.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// @throws std::system_error with `error` (default: errno) and a text that names the call.
[[noreturn]] inline void throw_system_error(const std::string& what, int error = errno) {
    throw std::system_error(error, std::system_category(), what);
}

/// Returns `result`, or throws when it is negative.
template <class Int>
Int check(Int result, const char* what) {
    if (result < 0)
        throw_system_error(what);
    return result;
}

/// Repeats a system call that a signal interrupted.
template <class Call>
auto retry(Call call) {
    for (;;) {
        const auto result = call();
        if (result >= 0 || errno != EINTR)
            return result;
    }
}

/// A file descriptor that is closed with its owner.
class descriptor {
  public:
    descriptor() = default;
    explicit descriptor(int fd) noexcept : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~descriptor() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept {
        if (fd_ >= 0)
            ::close(std::exchange(fd_, -1));
    }

    /// A second descriptor of the same open file, closed on exec and no standard stream.
    [[nodiscard]] descriptor duplicate() const {
        return descriptor(check(::fcntl(fd_, F_DUPFD_CLOEXEC, 3), "fcntl(F_DUPFD_CLOEXEC)"));
    }

  private:
    int fd_ = -1;
};

/// Moves a descriptor out of the range of the standard streams, where it lands in a program that
/// closed those, and where everybody would read or print into it.
inline descriptor above_standard_streams(descriptor fd) {
    return fd.get() > 2 || !fd ? std::move(fd) : fd.duplicate();
}

/// Owns what a system call made: all that this library opens and keeps goes through here.
/// @throws std::system_error when the call failed
inline descriptor new_descriptor(int result, const char* what) {
    return above_standard_streams(descriptor(check(result, what)));
}
/// The same for a call that makes two.
inline std::pair<descriptor, descriptor> new_descriptors(int result, const int (&made)[2],
                                                         const char* what) {
    check(result, what);
    descriptor first(made[0]);
    descriptor second(made[1]);
    return {above_standard_streams(std::move(first)), above_standard_streams(std::move(second))};
}

/// An eventfd: any process that holds it can wake one that polls it.
class event {
  public:
    event() : fd_(new_descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {}
    explicit event(descriptor fd) noexcept : fd_(std::move(fd)) {}

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// @note Async-signal-safe; keeps errno.
    void set() const noexcept {
        const int saved = errno;
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof one);
        errno = saved;  // EAGAIN: the counter is full, so the sleeper is woken anyway
    }
    /// Whether the descriptor still exists: code that closes all it finds closes this one, too.
    [[nodiscard]] bool is_open() const noexcept { return ::fcntl(fd_.get(), F_GETFD) >= 0; }
    void clear() const noexcept {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto got = ::read(fd_.get(), &count, sizeof count);
    }

  private:
    descriptor fd_;
};

/// Whether the number is that of an open descriptor.
inline bool is_open(int fd) noexcept {
    return ::fcntl(fd, F_GETFD) >= 0;
}

namespace detail {
inline bool poll_for(int fd, short what, std::chrono::nanoseconds limit) {
    pollfd entry{fd, what, 0};
    const timespec time{static_cast<time_t>(limit.count() / 1'000'000'000),
                        static_cast<long>(limit.count() % 1'000'000'000)};
    const int ready =
        ::ppoll(&entry, 1, limit < std::chrono::nanoseconds::zero() ? nullptr : &time, nullptr);
    if (ready < 0 && errno != EINTR)
        throw_system_error("ppoll");
    return ready > 0;
}
}  // namespace detail

/// Waits until `fd` is readable or hung up, at most `limit`. A signal ends the wait early.
/// @returns true when there is something to read
inline bool poll_readable(int fd, std::chrono::nanoseconds limit) {
    return detail::poll_for(fd, POLLIN, limit);
}
/// The same for room to write.
inline bool poll_writable(int fd, std::chrono::nanoseconds limit) {
    return detail::poll_for(fd, POLLOUT, limit);
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
