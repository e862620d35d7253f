// SPDX-License-Identifier: BSL-1.0
// The least that a way there and back can cost: one process copy-constructs the vector twice.
#include <vector>

#include "workload.hpp"

using namespace benchmark;

int main(int argc, char** argv) {
    const Options options(argc, argv);
    const std::vector<double> original = payload(options.size(full_size, quick_size));
    const auto sample = [&] {
        std::vector<double> received;
        const double time = seconds([&] {
            std::vector<double> sent(original);
            asm volatile("" : : "r"(sent.data()) : "memory");
            received = std::vector<double>(static_cast<const std::vector<double>&>(sent));
        });
        require(received == original, "copies");
        return time * 1e3;
    };
    sample();
    sample();
    report("two_copies", median_of(5, sample), "ms");
}
