// SPDX-License-Identifier: BSL-1.0
// Queue between processes: integers without and with a limit, large items, items of many sizes,
// one integer there and back, and several producers and consumers.
#include <multiprocessing.hpp>

#include <cstdint>
#include <vector>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

double numbers(int limit, int count) {
    const mp::Queue<int> queue(limit);
    return integers(
        count, [&](int i) { queue.put(i); }, [&] { return queue.get(); });
}

void large(int count) {
    constexpr std::size_t size = std::size_t{16} << 20;
    const mp::Queue<std::vector<char>> queue(2);
    mp::Process putter([=] {
        const std::vector<char> item(size, 'x');
        for (int i = 0; i <= count; ++i)
            queue.put(item);
    });
    putter.start();
    std::size_t bytes = queue.get().size();  // memory is there, and the clock starts
    const double time = seconds([&] {
        for (int i = 0; i < count; ++i)
            bytes += queue.get().size();
    });
    putter.join();
    require(bytes == size * (static_cast<std::size_t>(count) + 1), "large");
    report("large", time * 1e6 / count, "us");
}

double items(std::size_t bytes, int count) {
    const mp::Queue<std::vector<char>> queue(waiting_items(bytes));
    return beside(
        [&] { put_items(bytes, count, [&](const std::vector<char>& item) { queue.put(item); }); },
        [&] { return get_items(bytes, count, [&] { return queue.get(); }); });
}

void latency(const Options& options) {
    const mp::Queue<std::int64_t> there;
    const mp::Queue<std::int64_t> back;
    beside([&] { echo([&] { return there.get(); }, [&](std::int64_t n) { back.put(n); }); },
           [&] {
               report_latency(options, [&](std::int64_t number) {
                   there.put(number);
                   return back.get();
               });
               return 0;
           });
}

/// Nanoseconds an item. @param number of the producers, and of the consumers
double producers(int number, int count) {
    const mp::Queue<int> queue;
    const mp::RawArray<std::int64_t> sums(static_cast<std::size_t>(number));
    const int share = count / number;
    const double time = together(2 * number, [=](int i, auto ready) {
        ready();
        if (i < number) {
            for (int item = 0; item < share; ++item)
                queue.put(item);
        } else {
            std::int64_t sum = 0;
            for (int item = 0; item < share; ++item)
                sum += queue.get();
            sums[static_cast<std::size_t>(i - number)] = sum;
        }
    });
    std::int64_t sum = 0;
    for (const std::int64_t part : sums)
        sum += part;
    require(sum == number * (share * (share - 1LL) / 2), "producers");
    return time * 1e9 / (share * number);
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (options.wants("unlimited"))
        report("unlimited", numbers(0, options.size(1'000'000, 2000)), "ns");
    if (options.wants("bounded"))
        report("bounded", numbers(100, options.size(1'000'000, 2000)), "ns");
    if (options.wants("large"))
        large(options.size(60, 3));
    measure_items(options, items);
    if (options.wants("latency"))
        latency(options);
    if (options.wants("producers"))
        for (const int number : {1, 2, 4})
            report_at("producers", number, producers(number, options.size(400'000, 800)), "ns");
}
