// SPDX-License-Identifier: BSL-1.0
// How long a vector takes to a worker process and back.
#include <multiprocessing/pool.hpp>
#include <utility>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

Payload echo(Payload values) {
    return values;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    mp::Pool<> pool(options.workers());
    // The worker's shared memory is made at its first use, and then kept: each size is warmed up.
    const auto trip = [&](const Payload& original, Payload& received) {
        Payload sent(original);
        return seconds([&] { received = pool.apply(echo, {std::move(sent)}); });
    };
    if (options.wants("round_trip"))
        large_trip(options, "round_trip", trip);
    curve(options, trip);
}
