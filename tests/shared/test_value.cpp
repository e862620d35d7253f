// SPDX-License-Identifier: BSL-1.0
// Value and RawValue: one object in several processes.
#include <multiprocessing/shared/value.hpp>

#include <mutex>

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
