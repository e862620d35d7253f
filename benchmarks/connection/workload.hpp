// SPDX-License-Identifier: BSL-1.0
// The work of the connection benchmarks: messages to another process, one way or there and back,
// and connections themselves.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../support/timing.hpp"

namespace benchmark {

struct Size {
    const char* name;
    std::size_t bytes;
    int round_trips;
    int streamed;
};
inline constexpr std::array<Size, 3> sizes{Size{"16", 16, 20000, 200000},
                                           Size{"4KiB", 4096, 20000, 100000},
                                           Size{"1MiB", 1 << 20, 300, 500}};

/// A message that says its number; receivers check it.
inline std::vector<std::byte> numbered(std::size_t size, std::uint64_t number) {
    std::vector<std::byte> message(size);
    std::memcpy(message.data(), &number, sizeof number);
    return message;
}
inline std::uint64_t number_of(const std::byte* message) {
    std::uint64_t number = 0;
    std::memcpy(&number, message, sizeof number);
    return number;
}

/// Runs both measurements for every size. `ping_pong(size, count)` exchanges messages,
/// `stream(size, count)` sends them one way until all have arrived; both check the numbers.
template <class PingPong, class Stream>
void run_sizes(const Options& options, PingPong ping_pong, Stream stream) {
    for (const Size& size : sizes) {
        const std::string ping_pong_name = std::string("ping_pong_") + size.name;
        const std::string stream_name = std::string("stream_") + size.name;
        if (options.wants(ping_pong_name)) {
            const int count = options.size(size.round_trips, 50);
            report(ping_pong_name, seconds([&] { ping_pong(size.bytes, count); }) * 1e9 / count,
                   "ns");
        }
        if (options.wants(stream_name)) {
            const int count = options.size(size.streamed, 50);
            report(stream_name, seconds([&] { stream(size.bytes, count); }) * 1e9 / count, "ns");
        }
    }
}

struct Throughput {
    std::size_t bytes;
    int count;
};
inline constexpr std::array<Throughput, 6> throughputs{Throughput{16, 100'000},
                                                       Throughput{256, 100'000},
                                                       Throughput{4096, 50'000},
                                                       Throughput{65'536, 4000},
                                                       Throughput{std::size_t{1} << 20, 300},
                                                       Throughput{std::size_t{16} << 20, 20}};

/// Reports the curve `throughput`: nanoseconds a message. @param stream as for run_sizes()
template <class Stream>
void run_throughput(const Options& options, Stream stream) {
    if (!options.wants("throughput"))
        return;
    for (const auto& [bytes, full] : throughputs) {
        const int count = options.size(full, std::max(2, full / 500));
        report_at("throughput", static_cast<double>(bytes),
                  seconds([&, size = bytes] { stream(size, count); }) * 1e9 / count, "ns");
    }
}

constexpr std::size_t latency_bytes = 16;

/// Reports the percentiles of 16 bytes there and back.
/// @param exchange `exchange(message)` sends a message and returns what comes back
template <class Exchange>
void report_latency(const Options& options, const std::string& name, Exchange exchange) {
    auto message = numbered(latency_bytes, 0);
    report_percentiles(name,
                       latencies(options.size(15'000, 100),
                                 [&](int i) {
                                     const auto number = static_cast<std::uint64_t>(i);
                                     std::memcpy(message.data(), &number, sizeof number);
                                     const auto& answer = exchange(message);
                                     require(number_of(answer.data()) == number, "latency");
                                 }),
                       "us");
}

/// Reports what a connection costs, from its making to its end; one byte says that the other side
/// has accepted it.
/// @param accept takes one connection, sends the byte and closes
/// @param connect makes one connection, receives the byte and closes
template <class Accept, class Connect>
void report_connect(const Options& options, Accept accept, Connect connect) {
    const int count = options.size(2000, 50);
    const double time = beside(
        [&] {
            for (int i = 0; i <= count; ++i)
                connect();
        },
        [&] {
            accept();  // the other process runs by then
            return seconds([&] {
                for (int i = 0; i < count; ++i)
                    accept();
            });
        });
    report("connect", time * 1e6 / count, "us");
}

}  // namespace benchmark
