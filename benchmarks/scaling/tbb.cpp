// SPDX-License-Identifier: BSL-1.0
// The same computations in oneTBB.
#include "../support/tbb_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    TbbPool pool(options.workers());
    run_all(options, [&](auto function, const auto& input) { return pool.map(function, input); });
}
