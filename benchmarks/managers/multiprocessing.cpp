// SPDX-License-Identifier: BSL-1.0
// A dictionary in a manager: one item a call, by one client and by four, and many in one call.
#include <multiprocessing.hpp>

#include <utility>
#include <vector>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

constexpr int keys = 1024;

void set_many(const mp::DictProxy<int, int>& d, int count) {
    for (int i = 0; i < count; ++i)
        d[i % keys] = i;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    const mp::Manager manager;
    const auto d = manager.dict<int, int>();
    const int count = options.size(100'000, 500);
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
    if (options.wants("set_4_clients")) {
        const double time = together(4, [&](int, auto ready) {
            const auto own = manager.dict<int, int>();
            set_many(own, 10);
            ready();
            set_many(own, count / 4);
            require(own.get(0) % keys == 0, "set_4_clients");
        });
        report("set_4_clients", time * 1e9 / count, "ns");
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
