// SPDX-License-Identifier: BSL-1.0
// The least that a way through the kernel can cost: a forked child echoes over a socketpair.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.hpp"

using namespace benchmark;

namespace {

/// Both return false where the other side has gone.
bool put(int fd, const void* bytes, std::size_t size) {
    const auto* next = static_cast<const char*>(bytes);
    while (size > 0) {
        const auto n = ::write(fd, next, size);
        if (n <= 0)
            return false;
        next += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}
bool get(int fd, void* bytes, std::size_t size) {
    auto* next = static_cast<char*>(bytes);
    while (size > 0) {
        const auto n = ::read(fd, next, size);
        if (n <= 0)
            return false;
        next += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

/// A message is its number of values, and then the values.
bool send(int fd, const Payload& values) {
    const std::size_t count = values.size();
    return put(fd, &count, sizeof count) && put(fd, values.data(), count * sizeof(double));
}
bool receive(int fd, Payload& values) {
    std::size_t count = 0;
    if (!get(fd, &count, sizeof count))
        return false;
    values = Payload(count);
    return get(fd, values.data(), count * sizeof(double));
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        Payload values;
        while (receive(ends[1], values) && send(ends[1], values)) {
        }
        ::_exit(0);
    }
    ::close(ends[1]);
    const auto trip = [&](const Payload& original, Payload& received) {
        return seconds([&] {
            require(send(ends[0], original) && receive(ends[0], received), "the child's echo");
        });
    };
    if (options.wants("round_trip"))
        large_trip(options, "round_trip", trip);
    curve(options, trip);
    ::close(ends[0]);
    require(::waitpid(child, nullptr, 0) == child, "the child ended");
}
