// SPDX-License-Identifier: BSL-1.0
// The ideal: the same computations one after the other in one thread. Divide by the workers.
#include <type_traits>

#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    run_all(Options(argc, argv), [](auto function, const auto& input) {
        std::vector<std::invoke_result_t<decltype(function), decltype(input.front())>> results;
        results.reserve(input.size());
        for (const auto& item : input)
            results.push_back(function(item));
        return results;
    });
}
