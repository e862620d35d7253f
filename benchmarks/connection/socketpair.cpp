// SPDX-License-Identifier: BSL-1.0
// The same messages by bare system calls: one write and one read a message for the round trip,
// where both sides know the size; for the stream one more of each for the length before it.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.hpp"

using namespace benchmark;

namespace {

void put(int fd, const void* bytes, std::size_t size) {
    const auto* next = static_cast<const char*>(bytes);
    while (size > 0) {
        const auto n = ::write(fd, next, size);
        require(n > 0, "write");
        next += n;
        size -= static_cast<std::size_t>(n);
    }
}
void get(int fd, void* bytes, std::size_t size) {
    auto* next = static_cast<char*>(bytes);
    while (size > 0) {
        const auto n = ::read(fd, next, size);
        require(n > 0, "read");
        next += n;
        size -= static_cast<std::size_t>(n);
    }
}

/// Runs `child(fd)` in another process and `parent(fd)` in this one.
template <class Child, class Parent>
void with_child(Child child, Parent parent) {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    const pid_t pid = ::fork();
    if (pid == 0) {
        child(ends[1]);
        ::_exit(0);
    }
    parent(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    require(status == 0, "the child");
    ::close(ends[0]);
    ::close(ends[1]);
}

void ping_pong(std::size_t size, int count) {
    with_child(
        [&](int fd) {
            std::vector<std::byte> message(size);
            for (int i = 0; i < count; ++i) {
                get(fd, message.data(), size);
                put(fd, message.data(), size);
            }
        },
        [&](int fd) {
            std::vector<std::byte> answer(size);
            for (int i = 0; i < count; ++i) {
                const auto message = numbered(size, static_cast<std::uint64_t>(i));
                put(fd, message.data(), size);
                get(fd, answer.data(), size);
                require(number_of(answer.data()) == static_cast<std::uint64_t>(i), "ping_pong");
            }
        });
}

void stream(std::size_t size, int count) {
    with_child(
        [&](int fd) {
            std::vector<std::byte> message(size);
            for (int i = 0; i < count; ++i) {
                std::uint32_t length = 0;
                get(fd, &length, sizeof length);
                get(fd, message.data(), length);
                require(number_of(message.data()) == static_cast<std::uint64_t>(i), "stream");
            }
            put(fd, "!", 1);
        },
        [&](int fd) {
            auto message = numbered(size, 0);
            for (int i = 0; i < count; ++i) {
                const auto number = static_cast<std::uint64_t>(i);
                std::memcpy(message.data(), &number, sizeof number);
                const auto length = static_cast<std::uint32_t>(size);
                put(fd, &length, sizeof length);
                put(fd, message.data(), size);
            }
            char end = 0;
            get(fd, &end, 1);
        });
}

}  // namespace

int main(int argc, char** argv) {
    run_sizes(Options(argc, argv), ping_pong, stream);
}
