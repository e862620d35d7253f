// SPDX-License-Identifier: BSL-1.0
// The semaphore in shared memory: counting, waiting, waking, and sleepers that are killed.
#include <multiprocessing/synchronize/semaphore_core.hpp>

#include <vector>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;
using mp::detail::Deadline;
using mp::detail::semaphore_core;

TEST_CASE("A semaphore gives as many permits as it has", "[synchronize]") {
    const Shared<semaphore_core> semaphore(2u, 3u);
    CHECK(semaphore->try_acquire());
    CHECK(semaphore->acquire(Deadline()));
    CHECK_FALSE(semaphore->try_acquire());
    const auto time = time_of([&] { CHECK_FALSE(semaphore->acquire(Deadline(150ms))); });
    CHECK(time >= 150ms);
    CHECK(semaphore->sleepers == 0);
    CHECK(semaphore->release(2));
    CHECK_FALSE(semaphore->release(2));
    CHECK(semaphore->value == 2);
    CHECK(semaphore->release(1));
    CHECK_FALSE(semaphore->release(1));
}

TEST_CASE("A release wakes who sleeps", "[synchronize]") {
    const Shared<semaphore_core> semaphore(0u, 1u);
    Child sleeper([&] {
        ++semaphore->sleepers;
        sleep_on(semaphore->value, 0);
        return 0;
    });
    REQUIRE(sleeper.futex_operation());
    CHECK(semaphore->release(1));
    CHECK(sleeper.join() == 0);
}

TEST_CASE("A release lets as many go on as it gives permits", "[synchronize]") {
    const Shared<semaphore_core> semaphore(0u, semaphore_core::highest);
    std::vector<Child> waiters;
    for (int i = 0; i < 3; ++i)
        waiters.emplace_back([&] { return semaphore->acquire(Deadline()) ? 0 : 1; });
    REQUIRE(eventually([&] { return semaphore->sleepers == 3; }));
    CHECK(semaphore->release(3));
    for (Child& waiter : waiters)
        CHECK(waiter.join() == 0);
    CHECK(semaphore->value == 0);
    CHECK(semaphore->sleepers == 0);
}

TEST_CASE("A permit whose sleeper was killed goes to another one", "[synchronize]") {
    const Shared<semaphore_core> semaphore(0u, semaphore_core::highest);
    Child first([&] { return semaphore->acquire(Deadline()) ? 0 : 1; });
    REQUIRE(eventually([&] { return semaphore->sleepers == 1 && first.sleeps(); }));
    Child second([&] { return semaphore->acquire(Deadline()) ? 0 : 1; });
    REQUIRE(eventually([&] { return semaphore->sleepers == 2; }));
    REQUIRE(test_support::stop_process(first.pid()));
    CHECK(semaphore->release(1));  // the one that was stopped is woken, and never runs again
    first.kill();
    CHECK(second.join() == 0);
}

TEST_CASE("An interrupt ends the wait for a permit", "[synchronize]") {
    const Shared<semaphore_core> semaphore(0u, 1u);
    mp::detail::interrupt_pending = true;
    CHECK_THROWS_AS(semaphore->acquire(Deadline()), mp::KeyboardInterrupt);
    CHECK_FALSE(mp::detail::interrupt_pending);
    CHECK(semaphore->sleepers == 0);
}
