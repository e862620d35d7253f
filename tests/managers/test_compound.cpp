// SPDX-License-Identifier: BSL-1.0
// d[key] += 1 and its kin: what they do in the server, and for which values they exist.
#include <chrono>
#include <complex>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "managers/manager_tools.hpp"

using namespace manager_test;

namespace {

template <class Reference, class By>
concept adds = requires(Reference reference, By by) {
    reference += by;
};
template <class Reference>
concept counts = requires(Reference reference) {
    ++reference;
    reference++;
    --reference;
    reference--;
};
template <class Reference>
concept shifts = requires(Reference reference) {
    reference <<= 1;
    reference %= 2;
};
template <class T>
using at = typename mp::DictProxy<std::string, T>::reference;

static_assert(adds<at<int>, int> && adds<at<int>, double> && adds<at<int>, at<int>>);
static_assert(adds<at<std::string>, const char*> && adds<at<std::string>, char>);
static_assert(!adds<at<int>, std::string> && !adds<at<std::vector<int>>, std::vector<int>>);
static_assert(counts<at<int>> && counts<at<double>> && !counts<at<std::string>>);
static_assert(!counts<at<bool>> && shifts<at<std::uint8_t>> && !shifts<at<double>>);

}  // namespace

TEST_CASE("Values of a dictionary are changed by compound operators", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto d = manager.dict<std::string, int>({{"a", 2}, {"b", 10}});
    d["b"] += 5;
    CHECK(d["b"] == 15);
    d["b"] -= 1;
    d["b"] *= 3;
    CHECK(d["b"] == 42);
    d["b"] /= 4;
    CHECK(d["b"] == 10);
    d["b"] %= 4;
    CHECK(d["b"] == 2);
    d["b"] |= 5;
    CHECK(d["b"] == 7);
    d["b"] &= 6;
    CHECK(d["b"] == 6);
    d["b"] ^= 3;
    CHECK(d["b"] == 5);
    d["b"] <<= 3;
    CHECK(d["b"] == 40);
    d["b"] >>= 1;
    CHECK(d["b"] == 20);
    d["b"] *= 0.5;
    CHECK(d["b"] == 10);
    d["b"] += d["a"];
    CHECK(d["b"] == 12);
    CHECK(++d["b"] == 13);
    CHECK(--d["b"] == 12);
    CHECK(d["b"]++ == 12);
    CHECK(d["b"]-- == 13);
    (d["b"] += 1) += 1;
    CHECK(d["b"] == 14);
    CHECK(d["a"] == 2);
    CHECK_THROWS_AS(d["c"] += 1, std::out_of_range);
    CHECK_THROWS_AS(d["c"]++, std::out_of_range);
    CHECK_FALSE(d.contains("c"));
}

TEST_CASE("Items of lists and arrays, and a Value, are changed by compound operators",
          "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto l = manager.list<std::uint8_t>({1, 2, 3});
    l[1] += 3;
    ++l[-1];
    CHECK(l.copy() == std::vector<std::uint8_t>{1, 5, 4});
    CHECK_THROWS_AS(++l[3], std::out_of_range);
    const auto array = manager.Array<double>(2);
    array[0] -= 1;
    array[1]--;
    CHECK(array.copy() == std::vector{-1.0, -1.0});
    const auto value = manager.Value<int>(0);
    value.value() += 1;
    const int now = value.value()++;
    CHECK(now == 1);
    CHECK(value.get() == 2);
    const auto texts = manager.list<std::string>({"a"});
    texts[0] += "b";
    texts[0] += 'c';
    texts[0] += texts[0];
    CHECK(texts[0].get() == "abcabc");
}

TEST_CASE("Elements are compared with other types and printed", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto counts = manager.dict<std::string, std::size_t>();
    counts["n"] = 3;
    CHECK(counts["n"] == 3);
    CHECK(3 == counts["n"]);
    CHECK(counts["n"] != 4);
    const auto names = manager.list<std::string>({"Ada"});
    CHECK(names[0] == "Ada");
    CHECK(names[0] == std::string("Ada"));
    const auto array = manager.Array<double>(2);
    CHECK(array[0] == 0);
    CHECK(array[0] == array[1]);
    CHECK(manager.Value<double>(2).value() == 2);
    std::ostringstream text;
    text << names[0] << ' ' << counts["n"];
    CHECK(text.str() == "Ada 3");
    const auto queue = manager.Queue<int>(1);
    queue.put(1, false);
    CHECK_THROWS_AS(queue.put(2, true, std::chrono::milliseconds(1)), mp::Full);
    CHECK(queue.get(true, std::chrono::hours(1)) == 1);
    CHECK_THROWS_AS(queue.get(false), mp::Empty);
    CHECK(manager.Lock().acquire(true, std::chrono::hours(1)));
}

TEST_CASE("wait_for of a manager's condition gives what the predicate said last", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto condition = manager.Condition();
    const std::scoped_lock guard(condition);
    CHECK(condition.wait_for([] { return 7; }) == 7);
    CHECK(condition.wait_for([] { return 0; }, 1ms) == 0);
    CHECK(condition.wait_for([] { return std::string("text").find('x'); }, 1s) == 2);
}
