// SPDX-License-Identifier: BSL-1.0
// A dictionary in a manager: one item a call, by one client and by up to eight, and many in one
// call; a queue in it.
#include <multiprocessing.hpp>

#include <utility>
#include <vector>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

void set_many(const mp::DictProxy<int, int>& d, int count) {
    for (int i = 0; i < count; ++i)
        d[i % keys] = i;
}

/// Nanoseconds a call, `clients` processes at it, each with a dictionary of its own.
double set_clients(const mp::Manager& manager, int clients, int count) {
    const double time = together(clients, [&](int, auto ready) {
        const auto own = manager.dict<int, int>();
        set_many(own, 10);
        ready();
        set_many(own, count / clients);
        require(own.get(0) % keys == 0, "set_clients");
    });
    return time * 1e9 / count;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    const mp::Manager manager;
    const auto d = manager.dict<int, int>();
    const int count = options.size(30'000, 500);
    set_many(d, keys);
    if (options.wants("set")) {
        report("set", seconds([&] { set_many(d, count); }) * 1e9 / count, "ns");
        require(d.get((count - 1) % keys) == count - 1, "set");
    }
    if (options.wants("get")) {
        long long sum = 0;
        for (int i = 0; i < keys; ++i)
            d[i] = i;
        const double time = seconds([&] {
            for (int i = 0; i < count; ++i)
                sum += d.get(i % keys);
        });
        long long expected = 0;
        for (int i = 0; i < count; ++i)
            expected += i % keys;
        require(sum == expected, "get");
        report("get", time * 1e9 / count, "ns");
    }
    if (options.wants("set_4_clients"))
        report("set_4_clients", set_clients(manager, 4, count), "ns");
    measure_set_clients(
        options, [&](int clients, int calls) { return set_clients(manager, clients, calls); });
    measure_latency(options, [&](int i) { d[i % keys] = i; });
    if (options.wants("queue")) {
        const auto queue = manager.Queue<int>();
        const int items = options.size(20'000, 100);
        long long sum = 0;
        const double time = seconds([&] {
            for (int i = 0; i < items; ++i) {
                queue.put(i);
                sum += queue.get();
            }
        });
        require(sum == items * (items - 1LL) / 2, "queue");
        report("queue", time * 1e9 / items, "ns");
    }
    if (options.wants("increment")) {
        d[0] = 0;
        const double time = seconds([&] {
            for (int i = 0; i < count; ++i)
                d.update(0, [](int& n) { ++n; });
        });
        require(d.get(0) == count, "increment");
        report("increment", time * 1e9 / count, "ns");
    }
    if (options.wants("update")) {
        std::vector<std::pair<int, int>> pairs(10'000);
        for (int i = 0; i < 10'000; ++i)
            pairs[static_cast<std::size_t>(i)] = {i, -i};
        const int times = options.size(100, 2);
        const double time = seconds([&] {
            for (int i = 0; i < times; ++i)
                d.update(pairs);
        });
        require(d.size() == 10'000 && d.get(9'999) == -9'999, "update");
        report("update", time * 1e9 / times / 10'000, "ns");
    }
}
