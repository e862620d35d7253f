// SPDX-License-Identifier: BSL-1.0
// Uneven tasks in boost::asio::thread_pool, a future for each: it knows no chunks.
#include "../support/asio_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    AsioPool pool(options.workers());
    run_orders(options, [&](const auto& tasks) { return pool.map(compute, tasks); });
}
