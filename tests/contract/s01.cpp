// SPDX-License-Identifier: BSL-1.0
// The interface of section 1: what can cross to another process.
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <multiprocessing.hpp>

namespace mp = multiprocessing;

struct Point {
    double x, y;
    std::string label;
};
struct Tree {
    int value;
    std::vector<Tree> children;
};

static_assert(mp::Picklable<int>);
static_assert(mp::Picklable<std::vector<std::string>>);
static_assert(mp::Picklable<Point>);
static_assert(mp::Picklable<Tree>);
static_assert(mp::Picklable<std::map<std::string, std::optional<Point>>>);
static_assert(mp::Picklable<std::variant<int, std::string>>);
static_assert(mp::Picklable<std::unique_ptr<Point>>);
static_assert(mp::Picklable<int (*)(int)>);
static_assert(!mp::Picklable<std::mutex>);
static_assert(!mp::Picklable<int*>);
static_assert(!mp::Picklable<std::string_view>);
static_assert(!mp::Picklable<std::span<int>>);
static_assert(!mp::Picklable<const char*>);

int scale(int factor, int x);

int main() {
    const std::vector<std::byte> bytes = mp::dumps(Point{1, 2, "a"});
    const Point p = mp::loads<Point>(bytes);
    const auto tripled = mp::partial(scale, 3);
    static_assert(mp::Picklable<std::decay_t<decltype(tripled)>>);
    return p.x > 0 ? 0 : 1;
}
