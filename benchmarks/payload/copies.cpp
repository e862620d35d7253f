// SPDX-License-Identifier: BSL-1.0
// The least that a way there and back can cost: one process copy-constructs the vector twice.
#include "workload.hpp"

using namespace benchmark;

namespace {

double two_copies(const Payload& original, Payload& received) {
    return seconds([&] {
        const Payload sent(original);
        // The compiler must not leave the first copy out.
        asm volatile("" : : "r"(sent.data()) : "memory");
        received = Payload(sent);
    });
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (options.wants("two_copies"))
        large_trip(options, "two_copies", two_copies);
    curve(options, two_copies);
}
