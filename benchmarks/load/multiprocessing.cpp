// SPDX-License-Identifier: BSL-1.0
// What a pool costs where it should cost nothing: idle, and with more workers than CPUs.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <multiprocessing/pool.hpp>
#include <ranges>
#include <thread>
#include <vector>

#include "../support/measure.hpp"
#include "../support/processes.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

int no_op(int x) {
    return x;
}

/// A fixed amount of work, not of time: a task that is interrupted must still do all of it.
std::uint64_t compute(std::uint64_t rounds) {
    std::uint64_t state = rounds;
    for (std::uint64_t i = 0; i < rounds; ++i)
        state = state * 6364136223846793005U + 1442695040888963407U;
    return state;
}

/// So many rounds of `compute` take one millisecond.
std::uint64_t rounds_in_a_millisecond() {
    constexpr std::uint64_t rounds = 1000000;
    std::uint64_t result = 0;
    const double time = median_of(5, [&] { return seconds([&] { result |= compute(rounds); }); });
    require(result != 0, "calibration");
    return static_cast<std::uint64_t>(static_cast<double>(rounds) / (time * 1e3));
}

void idle(std::chrono::milliseconds duration) {
    mp::Pool<> pool(2);
    pool.map(no_op, std::views::iota(0, 10000));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const double before = family_cpu();
    const double time = seconds([&] { std::this_thread::sleep_for(duration); });
    report("idle", (family_cpu() - before) / time, "ms/s");
}

void busy(const char* name, int workers, const std::vector<std::uint64_t>& tasks) {
    mp::Pool<> pool(workers);
    pool.map(compute, std::vector<std::uint64_t>(64, 1000), {.chunksize = 1});
    std::vector<std::uint64_t> results;
    const double time = seconds([&] { results = pool.map(compute, tasks, {.chunksize = 1}); });
    const std::uint64_t answer = compute(tasks.front());
    require(std::ranges::all_of(results, [=](auto result) { return result == answer; }), name);
    report(name, time, "s");
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (options.wants("idle"))
        idle(options.size(std::chrono::milliseconds(5000), std::chrono::milliseconds(200)));
    if (options.wants("busy")) {
        const std::size_t count = options.size(std::size_t{4000}, std::size_t{100});
        const std::vector<std::uint64_t> tasks(count, rounds_in_a_millisecond());
        busy("busy_2_workers", 2, tasks);
        busy("busy_8_workers", 8, tasks);
    }
}
