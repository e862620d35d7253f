// SPDX-License-Identifier: BSL-1.0
// The same computations in boost::asio::thread_pool, a future for each item.
#include "../support/asio_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    AsioPool pool(options.workers());
    run_all(options, [&](auto function, const auto& input) { return pool.map(function, input); });
}
