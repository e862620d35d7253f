// SPDX-License-Identifier: BSL-1.0
// What a message through a Pipe to another process costs.
#include <multiprocessing/connection.hpp>
#include <multiprocessing/process.hpp>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

void echo(const mp::Connection& connection) {
    for (;;) {
        const auto message = connection.recv_bytes();
        if (message.empty())
            return;
        connection.send_bytes(message);
    }
}

void ping_pong(std::size_t size, int count) {
    const auto [here, there] = mp::Pipe();
    mp::Process process([there = there] { echo(there); });
    process.start();
    for (int i = 0; i < count; ++i) {
        here.send_bytes(numbered(size, static_cast<std::uint64_t>(i)));
        require(number_of(here.recv_bytes().data()) == static_cast<std::uint64_t>(i), "ping_pong");
    }
    here.send_bytes({});
    process.join();
}

void stream(std::size_t size, int count) {
    const auto [here, there] = mp::Pipe();
    mp::Process process([there = there, count] {
        for (int i = 0; i < count; ++i)
            require(number_of(there.recv_bytes().data()) == static_cast<std::uint64_t>(i),
                    "stream");
        there.send_bytes(numbered(8, 0));
    });
    process.start();
    auto message = numbered(size, 0);
    for (int i = 0; i < count; ++i) {
        const auto number = static_cast<std::uint64_t>(i);
        std::memcpy(message.data(), &number, sizeof number);
        here.send_bytes(message);
    }
    here.recv_bytes();
    process.join();
}

/// Values of a type instead of bytes.
void ping_pong_int(int count) {
    const auto [here, there] = mp::Pipe();
    mp::Process process([there = there] {
        for (int value = 0; value >= 0;) {
            value = there.recv<int>();
            there.send(value);
        }
    });
    process.start();
    for (int i = 0; i < count; ++i) {
        here.send(i);
        require(here.recv<int>() == i, "ping_pong_int");
    }
    here.send(-1);
    process.join();
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    run_sizes(options, ping_pong, stream);
    if (options.wants("ping_pong_int")) {
        const int count = options.size(40000, 50);
        report("ping_pong_int", seconds([&] { ping_pong_int(count); }) * 1e9 / count, "ns");
    }
}
