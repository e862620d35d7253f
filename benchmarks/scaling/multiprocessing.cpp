// SPDX-License-Identifier: BSL-1.0
// The same computations in a pool of worker processes.
#include <multiprocessing/pool.hpp>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    mp::Pool<> pool(options.workers());
    run_all(options, [&](auto function, const auto& input) {
        return pool.map(function, input, {.chunksize = 1});
    });
}
