// SPDX-License-Identifier: BSL-1.0
// The work of the uneven benchmarks: 400 tasks, most of them short, a few a hundred times as long.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../support/compute.hpp"

namespace benchmark {

/// The tasks' lengths in milliseconds: from a Pareto distribution of shape 1.5, at least 0.2 and at
/// most 60, in a random order that is the same for all contenders.
inline std::vector<double> task_lengths() {
    std::vector<double> lengths;
    std::uint32_t state = 36;
    for (int i = 0; i < 400; ++i) {
        state = state * 1664525U + 1013904223U;
        const double uniform = (state + 1.0) / 4294967296.0;  // in (0, 1]
        lengths.push_back(std::min(60.0, 0.2 * std::pow(uniform, -1 / 1.5)));
    }
    return lengths;
}

struct Tasks {
    std::vector<Rounds> rounds;
    std::vector<std::uint64_t> answers;
    double longest = 0;  ///< seconds, if nothing else is done
    double total = 0;
};

/// Runs them one by one, which also says what the right answers are.
inline Tasks run_serially(std::vector<Rounds> rounds) {
    Tasks tasks{std::move(rounds), {}, 0, 0};
    for (const Rounds& task : tasks.rounds) {
        const double time = seconds([&] { tasks.answers.push_back(compute(task)); });
        tasks.longest = std::max(tasks.longest, time);
        tasks.total += time;
    }
    return tasks;
}

/// In their random order.
inline Tasks uneven_tasks(const Options& options) {
    // A quick run takes a fiftieth of each task.
    const double rounds_per_millisecond = rounds_per_microsecond() * options.size(1e3, 2e1);
    std::vector<Rounds> rounds;
    for (const double length : task_lengths())
        rounds.push_back(static_cast<Rounds>(length * rounds_per_millisecond));
    return run_serially(std::move(rounds));
}

/// The worst order: who begins with the longest task begins it at the end.
inline Tasks longest_last(Tasks tasks) {
    std::sort(tasks.rounds.begin(), tasks.rounds.end());
    return run_serially(std::move(tasks.rounds));
}

/// Reports the time until all tasks are done; `map(rounds)` runs `compute` for each.
template <class Map>
void measure_makespan(const Options& options, const std::string& name, const Tasks& tasks,
                      Map map) {
    if (!options.wants(name))
        return;
    const double time = median_of(options.size(3, 1), [&] {
        std::vector<std::uint64_t> answers;
        const double once = seconds([&] { answers = map(tasks.rounds); });
        require(answers == tasks.answers, name);
        return once;
    });
    report(name, time * 1e3, "ms");
}

/// Both orders; `map` cuts them as the pool does by itself.
template <class Map>
void run_orders(const Options& options, Map map) {
    const Tasks tasks = uneven_tasks(options);
    measure_makespan(options, "makespan", tasks, map);
    measure_makespan(options, "makespan_longest_last", longest_last(tasks), map);
}
/// And with `map_singly`, which cuts them into single tasks.
template <class Map, class MapSingly>
void run_orders(const Options& options, Map map, MapSingly map_singly) {
    run_orders(options, map);
    measure_makespan(options, "makespan_chunksize_1", uneven_tasks(options), map_singly);
}

}  // namespace benchmark
