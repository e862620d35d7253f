// SPDX-License-Identifier: BSL-1.0
// Condition: waiting under its lock, and under one that was given.
#include <multiprocessing/synchronize/condition.hpp>

#include <atomic>
#include <concepts>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <multiprocessing/serialization/pickle.hpp>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;

TEST_CASE("A notification wakes a process that waits for a predicate", "[synchronize]") {
    const mp::Lock lock;
    const mp::Condition condition = GENERATE(0, 1) == 0 ? mp::Condition() : mp::Condition(lock);
    const Shared<std::atomic<int>> step(0);
    Child waiter([&] {
        const std::unique_lock guard(condition);
        *step = 1;
        return condition.wait_for([&] { return *step == 2; }, 10s) ? 5 : 0;
    });
    CHECK(eventually([&] { return *step == 1; }));
    {
        const std::unique_lock guard(condition);
        *step = 2;
        condition.notify();
    }
    CHECK(waiter.join() == 5);
}

TEST_CASE("A wait that nobody notifies ends with its timeout, holding every level of the lock",
          "[synchronize]") {
    const mp::Condition condition;
    condition.acquire();
    condition.acquire();
    CHECK_FALSE(condition.wait(10ms));
    CHECK_FALSE(condition.wait_for([] { return false; }, 10ms));
    condition.release();
    condition.release();
    CHECK_THROWS_AS(condition.release(), mp::ValueError);
}

TEST_CASE("wait_for gives what the predicate said last", "[synchronize]") {
    const mp::Condition condition;
    const std::unique_lock guard(condition);
    const auto number = condition.wait_for([] { return 7; });
    static_assert(std::same_as<decltype(number), const int>);
    CHECK(number == 7);
    CHECK(condition.wait_for([] { return 0; }, 1ms) == 0);
    const std::optional<std::string> text =
        condition.wait_for([] { return std::optional(std::string("a")); });
    CHECK(text == "a");
    CHECK_FALSE(condition.wait_for([] { return std::optional<int>(); }, 1ms));
    const std::string kept = "kept";
    const auto pointer = condition.wait_for([&]() -> const std::string* const& {
        static const std::string* place = &kept;
        return place;
    });
    CHECK(pointer == &kept);
    CHECK(condition.wait_for([] { return std::make_unique<int>(3); }) != nullptr);
}

TEST_CASE("The time that wait_for asks first is not taken off its timeout", "[synchronize]") {
    const mp::Condition condition;
    const std::unique_lock guard(condition);
    std::atomic<bool> said{false};
    std::thread other;
    CHECK(condition.wait_for(
        [&] {
            if (!other.joinable()) {
                std::this_thread::sleep_for(1200ms);
                other = std::thread([&] {
                    std::this_thread::sleep_for(50ms);
                    const std::unique_lock lock(condition);
                    said = true;
                    condition.notify();
                });
            }
            return said.load();
        },
        1s));
    other.join();
}

TEST_CASE("Who does not hold the lock may neither wait nor notify", "[synchronize]") {
    const mp::Condition condition;
    CHECK_THROWS_AS(condition.wait(), mp::ValueError);
    CHECK_THROWS_AS(condition.notify(), mp::ValueError);
    CHECK_THROWS_AS(condition.notify_all(), mp::ValueError);
    const std::unique_lock guard(condition);
    CHECK_THROWS_AS(condition.notify(-1), mp::ValueError);
}

TEST_CASE("A pickled handle names the same condition and the same lock", "[synchronize]") {
    const mp::Lock lock;
    const mp::Condition condition(lock);
    const auto arrived = mp::loads<mp::Condition>(mp::dumps(condition));
    CHECK(arrived == condition);
    lock.acquire();
    arrived.notify_all();
    arrived.release();
}
