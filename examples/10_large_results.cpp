// SPDX-License-Identifier: BSL-1.0
// A large result is copied on its way from the worker to here. The cheap way: the parent makes the
// memory, the workers write into it, and only what names that memory travels.
#include <algorithm>
#include <cstddef>
#include <iostream>
#include <multiprocessing.hpp>
#include <numeric>
#include <vector>

namespace mp = multiprocessing;

constexpr std::size_t size = 100'000;

double value(std::size_t i) {
    return static_cast<double>(i % 1000);
}

std::vector<double> make() {
    std::vector<double> values(size);
    for (std::size_t i = 0; i < size; ++i)
        values[i] = value(i);
    return values;
}

void fill(mp::RawArray<double> values, std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i)
        values[i] = value(i);
}

void print(const char* how, double sum, std::size_t bytes) {
    std::cout << how << ": the sum is " << static_cast<long>(sum) << ", and "
              << (bytes >= sizeof(double) * size ? "800,000 bytes or more" : "less than 200 bytes")
              << " travelled with it\n";
}

int main() {
    mp::RawArray<double> shared(size);
    mp::Pool pool(2);

    const std::vector<double> returned = pool.apply(make);
    print("returned", std::accumulate(returned.begin(), returned.end(), 0.0),
          mp::dumps(returned).size());

    // Each worker its own half: nobody needs a lock.
    pool.starmap(fill, {{shared, 0, size / 2}, {shared, size / 2, size}});
    print("shared", std::accumulate(shared.begin(), shared.end(), 0.0), mp::dumps(shared).size());
}
