// SPDX-License-Identifier: BSL-1.0
// How long a large vector takes to a worker process and back.
#include <multiprocessing/pool.hpp>
#include <utility>
#include <vector>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

std::vector<double> echo(std::vector<double> values) {
    return values;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    const std::vector<double> original = payload(options.size(full_size, quick_size));
    mp::Pool<> pool(2);
    const auto sample = [&] {
        std::vector<double> sent(original);
        std::vector<double> received;
        const double time = seconds([&] { received = pool.apply(echo, {std::move(sent)}); });
        require(received == original, "round trip");
        return time * 1e3;
    };
    sample();  // the worker's shared memory is made at its first use, and then kept
    sample();
    report("round_trip", median_of(5, sample), "ms");
}
