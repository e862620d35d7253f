// SPDX-License-Identifier: BSL-1.0
// Heavy mathematics on all cores against one: pi, as the area under 4 / (1 + x^2). The times go to
// standard error. Give it a larger number of steps to see the difference: 03_all_cores 1000000000
#include <chrono>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <multiprocessing.hpp>
#include <numeric>
#include <ranges>
#include <vector>

namespace mp = multiprocessing;

constexpr int parts = 16;

/// The area of one of the parts.
double area(long steps, int part) {
    double sum = 0;
    for (long i = steps / parts * part; i < steps / parts * (part + 1); ++i) {
        const double x = (static_cast<double>(i) + 0.5) / static_cast<double>(steps);
        sum += 4 / (1 + x * x);
    }
    return sum / static_cast<double>(steps);
}

template <class F>
double timed(const char* what, F f) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<double> areas = f();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    std::cerr << what << ": " << time.count() << " s\n";
    return std::accumulate(areas.begin(), areas.end(), 0.0);
}

int main(int argc, char** argv) {
    const long steps = argc > 1 ? std::atol(argv[1]) : 160'000;
    const double one = timed("one core", [steps] {
        std::vector<double> areas;
        for (int part = 0; part < parts; ++part)
            areas.push_back(area(steps, part));
        return areas;
    });
    mp::Pool pool;  // a worker for each core that this program may use
    const double all = timed("all cores", [&pool, steps] {
        return pool.map(mp::partial(area, steps), std::views::iota(0, parts));
    });
    std::cout << std::fixed << std::setprecision(8) << one << " on one core\n"
              << all << " on all of them\n";
}
