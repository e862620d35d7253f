// SPDX-License-Identifier: BSL-1.0
// The ideal: tasks of growing length in a loop, by the only worker there is.
#include <algorithm>

#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    run_lengths(Options(argc, argv), 1, "", [](const auto& tasks) {
        std::vector<std::uint64_t> answers(tasks.size());
        std::transform(tasks.begin(), tasks.end(), answers.begin(), compute);
        return answers;
    });
}
