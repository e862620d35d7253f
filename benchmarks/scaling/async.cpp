// SPDX-License-Identifier: BSL-1.0
// The same computations by std::async: one call for each worker, which takes the next item
// whenever it is free.
#include <atomic>
#include <future>
#include <type_traits>

#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    run_all(options, [&](auto function, const auto& input) {
        using R = std::invoke_result_t<decltype(function), decltype(input.front())>;
        std::vector<R> results(input.size());
        std::atomic<std::size_t> next = 0;
        std::vector<std::future<void>> workers;
        for (int i = 0; i < options.workers(); ++i)
            workers.push_back(std::async(std::launch::async, [&] {
                for (std::size_t item = next++; item < input.size(); item = next++)
                    results[item] = function(input[item]);
            }));
        for (auto& worker : workers)
            worker.get();
        return results;
    });
}
