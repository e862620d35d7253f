// SPDX-License-Identifier: BSL-1.0
// The work of the queue benchmarks: integers, items of many sizes, and single integers there and
// back, each between two processes.
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

/// How many items of this size may wait: not many more than 32 MiB in all, where a limit is.
inline int waiting_items(std::size_t bytes) {
    return static_cast<int>(
        std::clamp((std::size_t{32} << 20) / bytes, std::size_t{2}, std::size_t{1000}));
}

/// Nanoseconds for each of `count` integers, which another process gives to `put(int)` and this one
/// has from `get()`; the start of the other process is part of it.
template <class Put, class Get>
double integers(int count, Put put, Get get) {
    long long sum = 0;
    const double time = seconds([&] {
        beside(
            [&] {
                for (int i = 0; i < count; ++i)
                    put(i);
            },
            [&] {
                for (int i = 0; i < count; ++i)
                    sum += get();
                return 0;
            });
    });
    require(sum == count * (count - 1LL) / 2, "integers");
    return time * 1e9 / count;
}

/// Gives `count` items and one more to `put(item)`, each with its number in front.
template <class Put>
void put_items(std::size_t bytes, int count, Put put) {
    std::vector<char> item(bytes, 'x');
    for (std::int64_t i = 0; i <= count; ++i) {
        std::memcpy(item.data(), &i, sizeof i);
        put(item);
    }
}
/// The nanoseconds that each of these items takes to come out of `get()`. The first one starts the
/// clock: by then both sides are at work.
template <class Get>
double get_items(std::size_t bytes, int count, Get get) {
    const auto check = [&](std::int64_t expected) {
        auto&& item = get();
        std::int64_t number = -1;
        std::memcpy(&number, item.data(), sizeof number);
        require(item.size() == bytes && number == expected, "item");
    };
    check(0);
    const double time = seconds([&] {
        for (int i = 1; i <= count; ++i)
            check(i);
    });
    return time * 1e9 / count;
}

struct ItemSize {
    std::size_t bytes;
    int count;
};
inline constexpr std::array<ItemSize, 7> item_sizes{ItemSize{8, 200'000},
                                                    ItemSize{64, 200'000},
                                                    ItemSize{512, 150'000},
                                                    ItemSize{4096, 60'000},
                                                    ItemSize{65'536, 6000},
                                                    ItemSize{std::size_t{1} << 20, 400},
                                                    ItemSize{std::size_t{16} << 20, 25}};

/// Reports the curve `item`. @param transfer `transfer(bytes, count)` returns nanoseconds an item
template <class Transfer>
void measure_items(const Options& options, Transfer transfer) {
    if (!options.wants("item"))
        return;
    for (const auto& [bytes, count] : item_sizes)
        report_at("item", static_cast<double>(bytes),
                  transfer(bytes, options.size(count, std::max(2, count / 500))), "ns");
}

/// Sends back what `get()` returns, by `put(std::int64_t)`, until that is negative.
template <class Get, class Put>
void echo(Get get, Put put) {
    for (std::int64_t number = 0; number >= 0;) {
        number = get();
        put(number);
    }
}
/// Reports the percentiles `latency` of an integer there and back.
/// @param exchange `exchange(number)` sends a number and returns what comes back
template <class Exchange>
void report_latency(const Options& options, Exchange exchange) {
    report_percentiles(
        "latency",
        latencies(options.size(20'000, 200), [&](int i) { require(exchange(i) == i, "latency"); }),
        "us");
    exchange(-1);
}

}  // namespace benchmark
