// SPDX-License-Identifier: BSL-1.0
// oneTBB with a fixed number of threads, of which the calling one is the first.
#pragma once

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>

#include <cstddef>
#include <type_traits>
#include <vector>

namespace benchmark {

class TbbPool {
  public:
    // The limit alone would not give more threads than CPUs: that takes an arena.
    explicit TbbPool(int workers)
        : limit_(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(workers)),
          arena_(workers) {}

    /// Runs `work()` with all threads at its disposal.
    template <class Work>
    auto run(Work work) {
        return arena_.execute(work);
    }

    /// parallel_for as it cuts the input by itself.
    template <class F, class T>
    auto map(F function, const std::vector<T>& input) {
        return map(function, input, 1, tbb::auto_partitioner());
    }
    /// parallel_for with pieces of half to all of `chunksize` items.
    template <class F, class T>
    auto map(F function, const std::vector<T>& input, int chunksize) {
        return map(function, input, static_cast<std::size_t>(chunksize), tbb::simple_partitioner());
    }

  private:
    template <class F, class T, class Partitioner>
    auto map(F function, const std::vector<T>& input, std::size_t grain, Partitioner partitioner) {
        using Range = tbb::blocked_range<std::size_t>;
        std::vector<std::invoke_result_t<F, const T&>> results(input.size());
        arena_.execute([&] {
            tbb::parallel_for(
                Range(0, input.size(), grain),
                [&](const Range& range) {
                    for (std::size_t i = range.begin(); i != range.end(); ++i)
                        results[i] = function(input[i]);
                },
                partitioner);
        });
        return results;
    }

    tbb::global_control limit_;
    tbb::task_arena arena_;
};

}  // namespace benchmark
