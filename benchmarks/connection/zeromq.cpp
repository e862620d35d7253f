// SPDX-License-Identifier: BSL-1.0
// The same messages by ZeroMQ: a PAIR of sockets over ipc://.
#include <array>
#include <vector>

#include "../support/zeromq.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

/// Runs `child(socket)` in another process and `parent(socket)` in this one.
template <class Child, class Parent>
void with_pair(std::size_t bytes, Child child, Parent parent) {
    const std::string address = fresh_address();
    const int waiting = static_cast<int>(
        std::clamp((std::size_t{32} << 20) / bytes, std::size_t{2}, std::size_t{1000}));
    beside(
        [&] {
            const ZmqContext context;
            ZmqSocket socket(context, ZMQ_PAIR, waiting);
            socket.connect(address);
            child(socket);
        },
        [&] {
            const ZmqContext context;
            ZmqSocket socket(context, ZMQ_PAIR, waiting);
            socket.bind(address);
            parent(socket);
            return 0;
        });
}

/// Sends back every message until an empty one comes.
void echo(ZmqSocket& socket) {
    ZmqMessage message;
    for (;;) {
        socket.receive(message);
        if (message.size() == 0)
            return;
        socket.send(message.data(), message.size());
    }
}

void latency(const Options& options) {
    with_pair(latency_bytes, echo, [&](ZmqSocket& socket) {
        std::array<std::byte, latency_bytes> answer;
        report_latency(
            options, "latency", [&](const std::vector<std::byte>& message) -> const auto& {
                socket.send(message.data(), message.size());
                socket.receive(answer.data(), answer.size());
                return answer;
            });
        socket.send("", 0);
    });
}

void stream(std::size_t size, int count) {
    with_pair(
        size,
        [&](ZmqSocket& socket) {
            ZmqMessage message;
            for (int i = 0; i < count; ++i) {
                socket.receive(message);
                require(message.size() == size &&
                            number_of(reinterpret_cast<const std::byte*>(message.data())) ==
                                static_cast<std::uint64_t>(i),
                        "stream");
            }
            socket.send("!", 1);
        },
        [&](ZmqSocket& socket) {
            auto message = numbered(size, 0);
            for (int i = 0; i < count; ++i) {
                const auto number = static_cast<std::uint64_t>(i);
                std::memcpy(message.data(), &number, sizeof number);
                socket.send(message.data(), message.size());
            }
            char end = 0;
            socket.receive(&end, 1);
        });
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    run_throughput(options, stream);
    if (options.wants("latency"))
        latency(options);
}
