// SPDX-License-Identifier: BSL-1.0
// The public promise of serialization, as users write it: it must compile without a warning.
#include <cstddef>
#include <multiprocessing.hpp>
#include <mutex>
#include <string>
#include <vector>

namespace mp = multiprocessing;

struct Point {  // a plain aggregate needs no line of code
    double x, y;
    std::string label;
};
static_assert(mp::Picklable<std::vector<std::string>>);
static_assert(mp::Picklable<Point>);
static_assert(!mp::Picklable<std::mutex>);
static_assert(!mp::Picklable<int*>);

int main() {
    const std::vector<std::byte> bytes = mp::dumps(Point{1, 2, "a"});
    const Point point = mp::loads<Point>(bytes);
    return point.label == "a" ? 0 : 1;
}
