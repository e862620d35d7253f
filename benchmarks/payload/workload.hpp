// SPDX-License-Identifier: BSL-1.0
// The work of the payload benchmarks: a vector of 8 bytes to 1 GiB goes there and comes back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "../support/measure.hpp"

namespace benchmark {

constexpr std::size_t KiB = std::size_t{1} << 10;
constexpr std::size_t MiB = std::size_t{1} << 20;
constexpr std::size_t GiB = std::size_t{1} << 30;

using Payload = std::vector<double>;

inline Payload payload(std::size_t bytes) {
    Payload result(bytes / sizeof(double));
    std::iota(result.begin(), result.end(), 1.0);
    return result;
}

/// What the system has left without swapping, in bytes.
inline std::size_t available_memory() {
    std::ifstream file("/proc/meminfo");
    std::string word;
    std::size_t kibibytes = 0;
    while (file >> word) {
        if (word == "MemAvailable:" && file >> kibibytes)
            break;
    }
    return kibibytes * KiB;
}

/// The sizes of the curve: a payload exists up to four times at one moment.
inline std::vector<std::size_t> sizes(const Options& options) {
    std::vector<std::size_t> result{8, 512, 32 * KiB, MiB / 4};
    if (!options.quick())
        result = {8,       64,       512,      4 * KiB,   32 * KiB, 256 * KiB,
                  2 * MiB, 16 * MiB, 64 * MiB, 256 * MiB, GiB};
    std::erase_if(result, [most = available_memory() / 4](auto bytes) { return bytes > most; });
    return result;
}

/// The median time of a trip in seconds. `trip(original, received)` returns how long it took.
template <class Trip>
double median_trip(const Payload& original, int warmups, int times, Trip&& trip) {
    Payload received;
    const auto sample = [&] {
        received = Payload();
        const double time = trip(original, received);
        require(received == original, "there and back");
        return time;
    };
    for (int i = 0; i < warmups; ++i)
        sample();
    return median_of(times, sample);
}

/// 64 MiB there and back, in milliseconds.
template <class Trip>
void large_trip(const Options& options, const std::string& name, Trip&& trip) {
    const Payload original = payload(options.size(64 * MiB, MiB));
    report(name, 1e3 * median_trip(original, 2, options.size(5, 1), trip), "ms");
}

/// The time of a trip over the payload's size. The name for this curve in `Options` ends in "@".
template <class Trip>
void curve(const Options& options, Trip&& trip) {
    if (!options.wants("round_trip@"))
        return;
    for (const std::size_t bytes : sizes(options)) {
        const std::size_t most = options.size<std::size_t>(1000, 3);
        const std::size_t times = std::clamp<std::size_t>(256 * MiB / bytes, 3, most);
        const Payload original = payload(bytes);
        // The largest one takes seconds: once, and cold.
        const bool once = bytes >= GiB;
        const double time =
            median_trip(original, once ? 0 : 1, once ? 1 : static_cast<int>(times), trip);
        report_at("round_trip", static_cast<double>(bytes), 1e6 * time, "us");
    }
}

}  // namespace benchmark
