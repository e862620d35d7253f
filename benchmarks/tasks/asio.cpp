// SPDX-License-Identifier: BSL-1.0
// The same tasks on threads of one process: boost::asio::thread_pool with futures.
#include "../support/asio_pool.hpp"
#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    AsioPool pool(options.workers());
    pool.map(no_op, numbers(10000));

    const auto submit = [&](int i) { return pool.submit([i] { return no_op(i); }); };
    measure_apply_async(options, [&](int count) { return submit_then_get(count, submit); });
    measure_apply(options, [&](int i) { return submit(i).get(); });
}
