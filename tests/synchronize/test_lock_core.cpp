// SPDX-License-Identifier: BSL-1.0
// The lock in shared memory: plain and recursive, and what a death leaves of each.
#include <multiprocessing/synchronize/lock_core.hpp>

#include <mutex>
#include <system_error>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;
using mp::detail::Deadline;
using mp::detail::lock_core;

TEST_CASE("A plain lock is not given twice to one thread", "[synchronize]") {
    const Shared<lock_core> lock(false);
    CHECK(lock->acquire(Deadline()));
    CHECK_FALSE(lock->try_acquire());
    const auto time = time_of([&] { CHECK_FALSE(lock->acquire(Deadline(150ms))); });
    CHECK(time >= 150ms);
    try {
        (void)lock->acquire(Deadline());
        FAIL("it waits for itself");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::resource_deadlock_would_occur);
    }
    lock->release();
    CHECK_THROWS_AS(lock->release(), mp::ValueError);
}

TEST_CASE("A recursive lock is free after as many releases as acquires", "[synchronize]") {
    const Shared<lock_core> lock(true);
    for (int i = 0; i < 3; ++i)
        CHECK(lock->acquire(Deadline()));
    CHECK(lock->try_acquire());
    for (int i = 0; i < 4; ++i) {
        Child other([&] { return lock->try_acquire() ? 1 : 0; });
        CHECK(other.join() == 0);
        lock->release();
    }
    CHECK_THROWS_AS(lock->release(), mp::ValueError);
    CHECK(lock->try_acquire());
    lock->release();
}

TEST_CASE("Nobody but the holder can release a lock", "[synchronize]") {
    const bool recursive = GENERATE(false, true);
    const Shared<lock_core> lock(recursive);
    REQUIRE(lock->acquire(Deadline()));
    const auto refused = [&] {
        try {
            lock->release();
        } catch (const mp::ValueError&) {
            return 0;
        }
        return 1;
    };
    CHECK(Child(refused).join() == 0);
    std::thread([&] { CHECK(refused() == 0); }).join();
    lock->release();
}

TEST_CASE("The next acquire after a death throws once and does not hold the lock",
          "[synchronize]") {
    const bool recursive = GENERATE(false, true);
    const Shared<lock_core> lock(recursive);
    const auto die = [&] {
        for (int i = 0; i < (recursive ? 3 : 1); ++i)
            (void)lock->acquire(Deadline());
        return 0;
    };
    CHECK(Child(die).join() == 0);
    CHECK_THROWS_AS(lock->acquire(Deadline()), mp::OwnerDiedError);
    CHECK_FALSE(lock->held_by_caller());
    CHECK(lock->acquire(Deadline()));
    CHECK(lock->depth == 1);
    lock->release();

    CHECK(Child(die).join() == 0);
    CHECK_THROWS_AS(lock->try_acquire(), mp::OwnerDiedError);
    CHECK_FALSE(lock->held_by_caller());
}
