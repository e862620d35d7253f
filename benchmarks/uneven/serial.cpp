// SPDX-License-Identifier: BSL-1.0
// The ideal: no number of workers can be faster than its share of the work, or than the longest
// task.
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (options.wants("ideal")) {
        const double ideal = median_of(options.size(3, 1), [&] {
            const Tasks tasks = uneven_tasks(options);
            return std::max(tasks.total / options.workers(), tasks.longest);
        });
        report("ideal", ideal * 1e3, "ms");
    }
}
