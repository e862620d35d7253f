// SPDX-License-Identifier: BSL-1.0
// OpenMP with a fixed number of threads, of which the calling one is the first.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

namespace benchmark {

class OpenmpPool {
  public:
    explicit OpenmpPool(int workers) : workers_(workers) {}

    [[nodiscard]] int workers() const { return workers_; }

    /// A parallel loop as it cuts the input by itself: one piece for each thread.
    template <class F, class T>
    auto map(F function, const std::vector<T>& input) const {
        std::vector<std::invoke_result_t<F, const T&>> results(input.size());
#pragma omp parallel for num_threads(workers_) schedule(static)
        for (std::size_t i = 0; i < input.size(); ++i)
            results[i] = function(input[i]);
        return results;
    }
    /// A parallel loop whose threads take `chunksize` items whenever they are free.
    template <class F, class T>
    auto map(F function, const std::vector<T>& input, int chunksize) const {
        std::vector<std::invoke_result_t<F, const T&>> results(input.size());
#pragma omp parallel for num_threads(workers_) schedule(dynamic, chunksize)
        for (std::size_t i = 0; i < input.size(); ++i)
            results[i] = function(input[i]);
        return results;
    }

  private:
    int workers_;
};

}  // namespace benchmark
