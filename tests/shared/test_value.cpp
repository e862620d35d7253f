// SPDX-License-Identifier: BSL-1.0
// Value and RawValue: one object in several processes.
#include <multiprocessing/shared/array.hpp>
#include <multiprocessing/shared/value.hpp>

#include <bitset>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include <multiprocessing/serialization/pickle.hpp>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;

TEST_CASE("A million increments by each of two processes are two million", "[shared]") {
    constexpr int times = 1'000'000;
    const mp::Value<int> counter(0);
    const auto count = [&] {
        for (int i = 0; i < times; ++i) {
            const std::scoped_lock guard(counter.get_lock());
            ++counter.value();
        }
        return 0;
    };
    Child other(count);
    count();
    CHECK(other.join() == 0);
    CHECK(counter.value() == 2 * times);
}

TEST_CASE("A Value uses the lock that it is given", "[shared]") {
    const mp::Lock lock;
    mp::Value value(1.5, lock);
    mp::AnyLock& same = value.get_lock();
    CHECK(same == lock);
    CHECK(mp::loads<mp::Value<double>>(mp::dumps(value)).get_lock() == lock);
}

TEST_CASE("A const Value gives its lock to those who want to name its type", "[shared]") {
    const mp::Value<int> counter(0);
    const auto count = [counter] {
        const std::lock_guard<mp::AnyLock> guard(counter.get_lock());
        return ++counter.value();
    };
    CHECK(count() == 1);
    const mp::Array<int> array{1};
    const std::unique_lock<mp::AnyLock> guard(array.get_lock());
    CHECK(array.get_lock().locked());
}

TEST_CASE("Optionals, variants and bits lie in a Value", "[shared]") {
    const mp::Value<std::optional<int>> best;
    CHECK_FALSE(best.value().has_value());
    Child other([&] {
        best.value() = 7;
        return 0;
    });
    CHECK(other.join() == 0);
    CHECK(best.value() == 7);
    const mp::Value<std::variant<int, double>> either(0.5);
    CHECK(std::get<double>(either.value()) == 0.5);
    const mp::Value<std::optional<std::pair<int, int>>> pair(std::pair(1, 2));
    CHECK(pair.value()->second == 2);
    const mp::Value<std::bitset<70>> flags;
    flags.value().set(69);
    CHECK(flags.value().count() == 1);
    STATIC_REQUIRE(!mp::detail::plain_value<std::optional<std::string>>());
    STATIC_REQUIRE(!mp::detail::plain_value<std::variant<int, std::unique_ptr<int>>>());
    STATIC_REQUIRE(!mp::detail::plain_value<std::optional<int*>>());
}

TEST_CASE("A copy and a pickled handle name the same value", "[shared]") {
    struct point {
        int x, y;
    };
    const mp::Value<point> value({1, 2});
    const mp::Value<point> copy = value;
    copy.value().y = 3;
    CHECK(value.value().y == 3);
    const mp::RawValue<bool> raw(true);
    const auto arrived = mp::loads<mp::RawValue<bool>>(mp::dumps(raw));
    arrived.value() = false;
    CHECK_FALSE(raw.value());
}
