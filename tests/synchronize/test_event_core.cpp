// SPDX-License-Identifier: BSL-1.0
// The event in shared memory: set, clear, and who is told.
#include <multiprocessing/synchronize/event_core.hpp>

#include <vector>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;
using mp::detail::Deadline;
using mp::detail::event_core;

namespace {
bool has_sleepers(const event_core& event) {
    return (event.word & event_core::sleepers_bit) != 0;
}
}  // namespace

TEST_CASE("An event stays set until it is cleared", "[synchronize]") {
    const Shared<event_core> event;
    CHECK_FALSE(event->is_set());
    const auto time = time_of([&] { CHECK_FALSE(event->wait(Deadline(150ms))); });
    CHECK(time >= 150ms);
    for (int i = 0; i < 2; ++i) {
        event->set();
        CHECK(event->is_set());
        CHECK(event->wait(Deadline()));
    }
    for (int i = 0; i < 2; ++i) {
        event->clear();
        CHECK_FALSE(event->is_set());
        CHECK_FALSE(event->wait(Deadline(0ms)));
    }
}

TEST_CASE("Setting an event wakes who sleeps", "[synchronize]") {
    const Shared<event_core> event;
    Child sleeper([&] {
        event->word = event_core::sleepers_bit;
        sleep_on(event->word, event_core::sleepers_bit);
        return 0;
    });
    REQUIRE(sleeper.futex_operation());
    event->set();
    CHECK(sleeper.join() == 0);
}

TEST_CASE("Setting an event lets all go on that wait, also when it is cleared at once",
          "[synchronize]") {
    const bool cleared = GENERATE(false, true);
    const Shared<event_core> event;
    std::vector<Child> waiters;
    for (int i = 0; i < 3; ++i)
        waiters.emplace_back([&] { return event->wait(Deadline()) ? 0 : 1; });
    for (const Child& waiter : waiters)
        REQUIRE(eventually([&] { return has_sleepers(*event) && waiter.sleeps(); }));
    event->set();
    if (cleared)
        event->clear();
    for (Child& waiter : waiters)
        CHECK(waiter.join() == 0);
    CHECK_FALSE(has_sleepers(*event));
}

TEST_CASE("An interrupt ends the wait for an event", "[synchronize]") {
    const Shared<event_core> event;
    mp::detail::interrupt_pending = true;
    CHECK_THROWS_AS(event->wait(Deadline()), mp::KeyboardInterrupt);
    CHECK_FALSE(mp::detail::interrupt_pending);
}
