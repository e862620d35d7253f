// SPDX-License-Identifier: BSL-1.0
// What a message through a Pipe to another process costs, what a connection by name with a key.
#include <multiprocessing.hpp>

#include <string>
#include <vector>

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

/// Reports the percentiles; the other end is one that echo() serves, and its end.
void measure_latency(const Options& options, const std::string& name,
                     const mp::Connection& connection) {
    report_latency(options, name, [&](const std::vector<std::byte>& message) {
        connection.send_bytes(message);
        return connection.recv_bytes();
    });
    connection.send_bytes({});
}

void pipe_latency(const Options& options) {
    const auto [here, there] = mp::Pipe();
    beside([there = there] { echo(there); },
           [&, here = here] {
               measure_latency(options, "latency", here);
               return 0;
           });
}

const std::string key = "secret";

void listener_latency(const Options& options) {
    mp::connection::Listener listener({.authkey = key});
    beside([&] { echo(mp::connection::Client(listener.address(), {.authkey = key})); },
           [&] {
               measure_latency(options, "listener_latency", listener.accept());
               return 0;
           });
}

void connect(const Options& options) {
    mp::connection::Listener listener({.authkey = key});
    const mp::connection::Address address = listener.address();
    report_connect(
        options, [&] { listener.accept().send_bytes(std::vector<std::byte>(1)); },
        [&] { mp::connection::Client(address, {.authkey = key}).recv_bytes(); });
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    run_sizes(options, ping_pong, stream);
    run_throughput(options, stream);
    if (options.wants("latency"))
        pipe_latency(options);
    if (options.wants("listener_latency"))
        listener_latency(options);
    if (options.wants("connect"))
        connect(options);
    if (options.wants("ping_pong_int")) {
        const int count = options.size(20000, 50);
        report("ping_pong_int", seconds([&] { ping_pong_int(count); }) * 1e9 / count, "ns");
    }
}
