// SPDX-License-Identifier: BSL-1.0
// The same computations in Boost.MPI, an item in each message.
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>

#include "../support/mpi_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    using Pool = MpiPool<mandelbrot_row, call_prices, word_counts>;
    Pool::run(argc, argv, [](Pool& pool, const Options& options) {
        run_all(options,
                [&](auto function, const auto& input) { return pool.map(function, input, 1); });
    });
}
