// SPDX-License-Identifier: BSL-1.0
// The barrier in shared memory: rounds, actions, and parties that give up or are killed.
#include <multiprocessing/synchronize/barrier_core.hpp>

#include <stdexcept>
#include <system_error>
#include <vector>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;
using mp::detail::barrier_core;
using mp::detail::Deadline;

namespace {

constexpr int broken = 100;

/// Waits once; ends with the index, or with `broken`.
template <class Action>
int pass(barrier_core& barrier, Deadline deadline, Action action) {
    try {
        return static_cast<int>(barrier.wait(deadline, action));
    } catch (const mp::BrokenBarrierError&) {
        return broken;
    }
}
int pass(barrier_core& barrier, Deadline deadline = Deadline()) {
    return pass(barrier, deadline, [] {});
}

Child arriving(const Shared<barrier_core>& barrier) {
    const auto before = barrier->arrived.load();
    Child child([&] { return pass(*barrier); });
    REQUIRE(eventually([&] { return barrier->arrived == before + 1; }));
    return child;
}

}  // namespace

TEST_CASE("Parties get their indices in the order in which they arrive", "[synchronize]") {
    const Shared<barrier_core> barrier(3u, -1);
    for (int round = 0; round < 3; ++round) {
        Child first = arriving(barrier);
        Child second = arriving(barrier);
        CHECK(pass(*barrier) == 2);
        CHECK(first.join() == 0);
        CHECK(second.join() == 1);
        CHECK(barrier->arrived == 0);
    }
}

TEST_CASE("The end of a round wakes who sleeps", "[synchronize]") {
    const bool is_broken = GENERATE(false, true);
    const Shared<barrier_core> barrier(1u, -1);
    Child sleeper([&] {
        sleep_on(barrier->round, 0);
        return 0;
    });
    REQUIRE(sleeper.futex_operation());
    if (is_broken)
        barrier->abort();
    else
        CHECK(pass(*barrier) == 0);
    CHECK(sleeper.join() == 0);
}

TEST_CASE("The last party carries out the action before anybody passes", "[synchronize]") {
    const Shared<barrier_core> barrier(2u, -1);
    const Shared<std::atomic<int>> done(0);
    Child first([&] { return pass(*barrier) == 0 ? done->load() : 98; });
    REQUIRE(eventually([&] { return barrier->arrived == 1; }));
    CHECK(pass(*barrier, Deadline(), [&] {
              CHECK(barrier->arrived == 2);
              ++*done;
          }) == 1);
    CHECK(first.join() == 1);
}

TEST_CASE("An action that throws breaks the barrier", "[synchronize]") {
    const Shared<barrier_core> barrier(2u, -1);
    Child first = arriving(barrier);
    CHECK_THROWS_AS(barrier->wait(Deadline(), [] { throw std::runtime_error("action"); }),
                    std::runtime_error);
    CHECK(first.join() == broken);
    CHECK(pass(*barrier) == broken);
    barrier->reset();
    Child again = arriving(barrier);
    CHECK(pass(*barrier) == 1);
    CHECK(again.join() == 0);
}

TEST_CASE("A party killed in the action breaks the barrier for those who wait", "[synchronize]") {
    const Shared<barrier_core> barrier(2u, -1);
    Child first = arriving(barrier);
    Child last([&] { return pass(*barrier, Deadline(), [] { ::raise(SIGKILL); }); });
    CHECK(last.join() == -SIGKILL);
    CHECK(first.join() == broken);
    CHECK(barrier->broken == 1);
}

TEST_CASE("A party that does not come is noticed by a deadline", "[synchronize]") {
    const Shared<barrier_core> barrier(3u, -1);
    Child patient = arriving(barrier);
    const auto time = time_of([&] { CHECK(pass(*barrier, Deadline(150ms)) == broken); });
    CHECK(time >= 150ms);
    CHECK(patient.join() == broken);
    CHECK(barrier->arrived == 0);
    barrier->reset();
    CHECK(barrier->broken == 0);
}

TEST_CASE("A deadline passes also while another party carries out the action", "[synchronize]") {
    const Shared<barrier_core> barrier(1u, -1);
    const Shared<std::atomic<int>> acting(0);
    Child actor([&] {
        return pass(*barrier, Deadline(), [&] {
            *acting = 1;
            std::this_thread::sleep_for(3s);
        });
    });
    REQUIRE(eventually([&] { return *acting == 1; }));
    int result = 0;
    CHECK(time_of([&] { result = pass(*barrier, Deadline(100ms)); }) < 2s);
    CHECK(result == broken);
    CHECK(actor.join() == 0);
    CHECK(pass(*barrier) == broken);
}

TEST_CASE("Who waits learns of a party that came too late to take the mutex", "[synchronize]") {
    const Shared<barrier_core> barrier(3u, -1);
    Child first = arriving(barrier);
    REQUIRE(barrier->mutex.lock() == mp::os::grant::acquired);
    Child late([&] { return pass(*barrier, Deadline(0ms)); });
    CHECK(late.join() == broken);
    barrier->mutex.unlock();
    CHECK(first.join() == broken);
    CHECK(barrier->arrived == 0);
}

TEST_CASE("Abort and reset send those who wait away", "[synchronize]") {
    const bool aborted = GENERATE(false, true);
    const Shared<barrier_core> barrier(3u, -1);
    Child first = arriving(barrier);
    Child second = arriving(barrier);
    if (aborted)
        barrier->abort();
    else
        barrier->reset();
    CHECK(first.join() == broken);
    CHECK(second.join() == broken);
    CHECK(barrier->broken == (aborted ? 1u : 0u));
    if (aborted)
        CHECK(pass(*barrier) == broken);
}

TEST_CASE("Who wakes late learns how its own round ended", "[synchronize]") {
    const Shared<barrier_core> barrier(2u, -1);
    const bool first_breaks = GENERATE(false, true);
    Child late = arriving(barrier);
    REQUIRE(test_support::stop_process(late.pid()));
    const auto end_round = [&](bool breaking) {
        if (breaking) {
            barrier->reset();
            return;
        }
        if (barrier->arrived == 0) {
            Child other = arriving(barrier);
            CHECK(pass(*barrier) == 1);
            CHECK(other.join() == 0);
        } else {
            CHECK(pass(*barrier) == 1);
        }
    };
    end_round(first_breaks);
    end_round(false);
    {
        Child other = arriving(barrier);
        barrier->reset();
        CHECK(other.join() == broken);
    }
    ::kill(late.pid(), SIGCONT);
    CHECK(late.join() == (first_breaks ? broken : 0));
}

TEST_CASE("The note of a broken round is gone when its place is used again", "[synchronize]") {
    const Shared<barrier_core> barrier(2u, -1);
    (void)arriving(barrier);
    barrier->reset();
    constexpr int rounds = 65;
    const auto count_broken = [&] {
        int number = 0;
        for (int i = 0; i < rounds; ++i)
            number += pass(*barrier) == broken ? 1 : 0;
        return number;
    };
    Child other(count_broken);
    CHECK(count_broken() == 0);
    CHECK(other.join() == 0);
}

TEST_CASE("Who wakes so late that the note of its round is overwritten takes it for broken",
          "[synchronize]") {
    const Shared<barrier_core> barrier(2u, -1);
    Child late = arriving(barrier);
    REQUIRE(late.futex_operation());
    REQUIRE(test_support::stop_process(late.pid()));
    CHECK(pass(*barrier) == 1);
    barrier->round += 64;
    ::kill(late.pid(), SIGCONT);
    CHECK(late.join() == broken);
}

TEST_CASE("An action that uses its own barrier breaks it", "[synchronize]") {
    const Shared<barrier_core> barrier(1u, -1);
    CHECK_THROWS_AS(pass(*barrier, Deadline(), [&] { barrier->abort(); }), std::system_error);
    CHECK(barrier->broken == 1);
    barrier->reset();
    CHECK_THROWS_AS(pass(*barrier, Deadline(), [&] { pass(*barrier); }), std::system_error);
    barrier->reset();
    CHECK(pass(*barrier) == 0);
}

TEST_CASE("An interrupted party leaves, and the barrier is whole", "[synchronize]") {
    const Shared<barrier_core> barrier(2u, -1);
    mp::detail::interrupt_pending = true;
    CHECK_THROWS_AS(barrier->wait(Deadline(), [] {}), mp::KeyboardInterrupt);
    CHECK(barrier->arrived == 0);
    Child first = arriving(barrier);
    CHECK(pass(*barrier) == 1);
    CHECK(first.join() == 0);
}
