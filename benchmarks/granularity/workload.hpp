// SPDX-License-Identifier: BSL-1.0
// The work of the granularity benchmarks: many tasks of the same length, which lengthens from one
// point to the next.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "../support/compute.hpp"

namespace benchmark {

/// In microseconds.
inline std::vector<double> task_lengths(const Options& options) {
    if (options.quick())
        return {1, 10, 100, 1000};
    return {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000, 100000};
}

/// So many tasks that all workers together need about 0.1 s, in whole chunks of four for each
/// worker where that is possible.
inline std::size_t task_count(const Options& options, int worker_count, double length) {
    const double wall = options.size(1e5, 2e3);
    const auto workers = static_cast<std::size_t>(worker_count);
    const auto fours = static_cast<std::size_t>(std::lround(wall / length / 4));
    return workers * (fours == 0 ? 2 : 4 * fours);
}

/// How many seconds one task takes in this thread without a pool: enough of them for 10 ms.
inline double seconds_alone(const Options& options, Rounds rounds, double length) {
    const auto count = static_cast<int>(std::max(1.0, options.size(1e4, 5e2) / length));
    const std::uint64_t answer = compute(rounds);
    bool right = true;
    const double time = seconds([&] {
        for (int i = 0; i < count; ++i)
            right &= compute(rounds) == answer;
    });
    require(right, "compute");
    return time / count;
}

/// Measures for each length what a task costs (the time that each worker spends for it), and how
/// much of that is its work. `map(tasks)` runs `compute` for each.
/// @param suffix of the names of the two figures
template <class Map>
void run_lengths(const Options& options, int workers, const std::string& suffix, Map map) {
    const std::string task_name = "task" + suffix;
    const std::string efficiency_name = "efficiency" + suffix;
    if (!options.wants(task_name) && !options.wants(efficiency_name))
        return;
    const double rate = rounds_per_microsecond();
    for (const double length : task_lengths(options)) {
        const auto rounds = static_cast<Rounds>(length * rate);
        const std::vector<Rounds> tasks(task_count(options, workers, length), rounds);
        const std::uint64_t answer = compute(rounds);
        std::vector<double> costs;
        std::vector<double> efficiencies;
        double before = seconds_alone(options, rounds, length);
        for (int i = 0; i < options.size(3, 1); ++i) {
            std::vector<std::uint64_t> answers;
            const double time = seconds([&] { answers = map(tasks); });
            require(answers.size() == tasks.size() &&
                        std::count(answers.begin(), answers.end(), answer) == std::ssize(answers),
                    task_name);
            // The lesser one: a disturbance only ever makes it longer.
            const double after = seconds_alone(options, rounds, length);
            const double cost = time * workers / static_cast<double>(tasks.size());
            costs.push_back(cost * 1e6);
            efficiencies.push_back(std::min(before, after) / cost * 100);
            before = after;
        }
        report_at(task_name, length, median(costs), "us");
        report_at(efficiency_name, length, median(efficiencies), "%");
    }
}
template <class Map>
void run_lengths(const Options& options, const std::string& suffix, Map map) {
    run_lengths(options, options.workers(), suffix, map);
}

}  // namespace benchmark
