// SPDX-License-Identifier: BSL-1.0
// The work of the connection benchmarks: messages to another process, one way or there and back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../support/measure.hpp"

namespace benchmark {

struct Size {
    const char* name;
    std::size_t bytes;
    int round_trips;
    int streamed;
};
inline constexpr std::array<Size, 3> sizes{Size{"16", 16, 40000, 400000},
                                           Size{"4KiB", 4096, 40000, 200000},
                                           Size{"1MiB", 1 << 20, 500, 1000}};

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

}  // namespace benchmark
