// SPDX-License-Identifier: BSL-1.0
// Tasks of growing length in boost::asio::thread_pool, a future for each: it knows no chunks.
#include "../support/asio_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    AsioPool pool(options.workers());
    const auto map = [&](const auto& tasks) { return pool.map(compute, tasks); };
    run_lengths(options, "", map);
    run_lengths(options, "_chunksize_1", map);
}
