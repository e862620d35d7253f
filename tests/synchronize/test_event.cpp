// SPDX-License-Identifier: BSL-1.0
// Event: set, clear, and waiting for it in another process.
#include <multiprocessing/synchronize/event.hpp>

#include <multiprocessing/serialization/pickle.hpp>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;

TEST_CASE("An Event that is set wakes a process that waits", "[synchronize]") {
    const mp::Event event;
    CHECK_FALSE(event.is_set());
    CHECK_FALSE(event.wait(10ms));
    Child waiter([&] { return event.wait(10s) ? 5 : 0; });
    CHECK(eventually([&] { return waiter.sleeps(); }));
    event.set();
    CHECK(waiter.join() == 5);
    CHECK(event.wait());
    event.clear();
    CHECK_FALSE(event.is_set());
}

TEST_CASE("A pickled handle names the same event", "[synchronize]") {
    const mp::Event event;
    const auto arrived = mp::loads<mp::Event>(mp::dumps(event));
    CHECK(arrived == event);
    arrived.set();
    CHECK(event.is_set());
}
