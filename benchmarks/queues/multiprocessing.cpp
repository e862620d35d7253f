// SPDX-License-Identifier: BSL-1.0
// Queue between two processes: integers without and with a limit, and large items.
#include <multiprocessing.hpp>
#include <multiprocessing/queues.hpp>

#include <vector>

#include "../support/measure.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

void numbers(int limit, const char* name, int count) {
    const mp::Queue<int> queue(limit);
    mp::Process putter([=] {
        for (int i = 0; i < count; ++i)
            queue.put(i);
    });
    long long sum = 0;
    const double time = seconds([&] {
        putter.start();
        for (int i = 0; i < count; ++i)
            sum += queue.get();
    });
    putter.join();
    require(sum == count * (count - 1LL) / 2, name);
    report(name, time * 1e9 / count, "ns");
}

void large(int count) {
    constexpr std::size_t size = std::size_t{16} << 20;
    const mp::Queue<std::vector<char>> queue(2);
    mp::Process putter([=] {
        const std::vector<char> item(size, 'x');
        for (int i = 0; i < count; ++i)
            queue.put(item);
    });
    std::size_t bytes = 0;
    const double time = seconds([&] {
        putter.start();
        for (int i = 0; i < count; ++i)
            bytes += queue.get().size();
    });
    putter.join();
    require(bytes == size * static_cast<std::size_t>(count), "large");
    report("large", time * 1e6 / count, "us");
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (options.wants("unlimited"))
        numbers(0, "unlimited", options.size(1'000'000, 2000));
    if (options.wants("bounded"))
        numbers(100, "bounded", options.size(1'000'000, 2000));
    if (options.wants("large"))
        large(options.size(60, 3));
}
