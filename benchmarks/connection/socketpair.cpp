// SPDX-License-Identifier: BSL-1.0
// The same messages by bare system calls: one write and one read a message for the round trip,
// where both sides know the size; for the stream one more of each for the length before it.
// Connections by name are those of a bare Unix socket, which asks for no key.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "../support/bare.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

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
            return 0;
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
            return 0;
        });
}

/// Sends back every message until the other end is closed.
void echo(int fd) {
    std::array<std::byte, latency_bytes> message;
    while (::recv(fd, message.data(), message.size(), MSG_WAITALL) ==
           static_cast<ssize_t>(message.size()))
        put(fd, message.data(), message.size());
}
/// Reports the percentiles; the other end is one that echo() serves, and its end.
void measure_latency(const Options& options, const std::string& name, int fd) {
    std::array<std::byte, latency_bytes> answer;
    report_latency(
        options, name, [&](const std::vector<std::byte>& message) -> const auto& {
            put(fd, message.data(), message.size());
            get(fd, answer.data(), answer.size());
            return answer;
        });
    ::shutdown(fd, SHUT_WR);
}

void listener_latency(const Options& options, const UnixAddress& address, int listener) {
    beside([&] { echo(address.connect()); },
           [&] {
               const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
               require(fd >= 0, "accept");
               measure_latency(options, "listener_latency", fd);
               ::close(fd);
               return 0;
           });
}

void connect(const Options& options, const UnixAddress& address, int listener) {
    report_connect(
        options,
        [&] {
            const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
            require(fd >= 0, "accept");
            put(fd, "!", 1);
            ::close(fd);
        },
        [&] {
            const int fd = address.connect();
            char accepted = 0;
            get(fd, &accepted, 1);
            ::close(fd);
        });
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    run_sizes(options, ping_pong, stream);
    run_throughput(options, stream);
    if (options.wants("latency"))
        with_child(echo, [&](int fd) {
            measure_latency(options, "latency", fd);
            return 0;
        });
    const UnixAddress address("multiprocessing-benchmark-" + std::to_string(::getpid()));
    const int listener = address.listen();
    if (options.wants("listener_latency"))
        listener_latency(options, address, listener);
    if (options.wants("connect"))
        connect(options, address, listener);
    ::close(listener);
}
