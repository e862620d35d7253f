// SPDX-License-Identifier: BSL-1.0
// The condition variable in shared memory: who is notified, and waiters and holders that are
// killed.
#include <multiprocessing/synchronize/condition_core.hpp>

#include <optional>
#include <vector>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;
using mp::detail::condition_core;
using mp::detail::Deadline;
using mp::detail::lock_core;

namespace {

struct Board {
    lock_core lock{true};
    condition_core condition;
    std::atomic<std::uint64_t> woken{0};

    void acquire() { (void)lock.acquire(Deadline()); }
    std::uint64_t arrivals() {
        acquire();
        const std::uint64_t number = condition.arrivals;
        lock.release();
        return number;
    }
    void notify(std::uint64_t count) {
        acquire();
        condition.notify(count);
        lock.release();
    }
};

/// Waits once; ends with 0 when it was notified, with 1 when not, with 2 when the holder died.
int wait_once(Board& board, Deadline deadline = Deadline()) {
    board.acquire();
    bool notified = false;
    try {
        notified = board.condition.wait(board.lock, deadline);
    } catch (const mp::OwnerDiedError&) {
        const bool held = board.lock.held_by_caller();
        board.lock.release();
        return held ? 2 : 3;
    }
    ++board.woken;
    board.lock.release();
    return notified ? 0 : 1;
}

/// A child that waits, and has a place when this returns.
Child waiting(const Shared<Board>& board) {
    const std::uint64_t before = board->arrivals();
    Child child([&] { return wait_once(*board); });
    REQUIRE(eventually([&] { return board->arrivals() == before + 1; }));
    return child;
}

}  // namespace

TEST_CASE("A wait for a notification ends at its deadline and leaves no trace", "[synchronize]") {
    const Shared<Board> board;
    for (const auto limit : {0ms, 150ms}) {
        const auto time = time_of([&] { CHECK(wait_once(*board, Deadline(limit)) == 1); });
        CHECK(time >= limit);
    }
    CHECK(board->condition.used == 0);
    CHECK(board->lock.mutex.holder() == 0);
}

TEST_CASE("A wait gives back and takes again all levels of a recursive lock", "[synchronize]") {
    const Shared<Board> board;
    board->acquire();
    board->acquire();
    Child other([&] {
        board->notify(1);
        return 0;
    });
    CHECK(board->condition.wait(board->lock, Deadline()));
    CHECK(board->lock.depth == 2);
    CHECK(other.join() == 0);
    board->lock.release();
    board->lock.release();
}

TEST_CASE("Notifications go to the oldest waiters, in order", "[synchronize]") {
    const Shared<Board> board;
    std::vector<Child> waiters;
    for (int i = 0; i < 5; ++i)
        waiters.push_back(waiting(board));
    board->notify(1);
    CHECK(waiters[0].join() == 0);
    board->notify(2);
    CHECK(waiters[1].join() == 0);
    CHECK(waiters[2].join() == 0);
    CHECK(board->woken == 3);
    board->notify(1000);
    CHECK(waiters[3].join() == 0);
    CHECK(waiters[4].join() == 0);
    CHECK(board->condition.used == 0);
}

TEST_CASE("A notification wakes who sleeps, in a place or in the crowd", "[synchronize]") {
    const bool in_crowd = GENERATE(false, true);
    const Shared<Board> board;
    condition_core& condition = board->condition;
    Child sleeper([&] {
        if (in_crowd) {
            condition.crowd_size = 1;
            sleep_on(condition.crowd, 0);
        } else {
            (void)condition.places[0].alive.lock();
            condition.places[0].ticket = condition.arrivals = condition.used = 1;
            sleep_on(condition.places[0].notified, 0);
        }
        return 0;
    });
    REQUIRE(sleeper.futex_operation());
    board->notify(1);
    CHECK(sleeper.join() == 0);
}

TEST_CASE("A place is as good for the next waiter", "[synchronize]") {
    const Shared<Board> board;
    for (int round = 0; round < 3; ++round) {
        Child waiter = waiting(board);
        CHECK(board->condition.used == 1);
        CHECK(board->condition.places[0].notified == 0);
        board->notify(1);
        CHECK(waiter.join() == 0);
    }
}

TEST_CASE("A notification does not reach who comes later", "[synchronize]") {
    const Shared<Board> board;
    Child early = waiting(board);
    REQUIRE(test_support::stop_process(early.pid()));
    board->notify(5);
    const auto time = time_of([&] { CHECK(wait_once(*board, Deadline(300ms)) == 1); });
    CHECK(time >= 300ms);
    ::kill(early.pid(), SIGCONT);
    CHECK(early.join() == 0);
    board->notify(1);
    CHECK(wait_once(*board, Deadline(0ms)) == 1);
}

TEST_CASE("Later notifications take nothing from those who were notified before", "[synchronize]") {
    const Shared<Board> board;
    std::vector<Child> early;
    for (int i = 0; i < 2; ++i) {
        early.push_back(waiting(board));
        REQUIRE(test_support::stop_process(early.back().pid()));
    }
    board->notify(2);
    Child late = waiting(board);
    Child later = waiting(board);
    board->notify(1);
    CHECK(late.join() == 0);
    for (Child& child : early) {
        ::kill(child.pid(), SIGCONT);
        CHECK(child.join() == 0);
    }
    CHECK(test_support::is_running(later.pid()));
    board->notify(1);
    CHECK(later.join() == 0);
}

TEST_CASE("A notification is not spent on a waiter that was killed before", "[synchronize]") {
    const Shared<Board> board;
    Child first = waiting(board);
    Child second = waiting(board);
    first.kill();
    // so that it does not look after the first one itself
    REQUIRE(test_support::stop_process(second.pid()));
    board->notify(1);
    CHECK(board->condition.places[0].ticket == 0);
    CHECK(board->condition.places[1].notified == 1);
    ::kill(second.pid(), SIGCONT);
    CHECK(second.join() == 0);
    CHECK(board->condition.used == 0);
}

TEST_CASE("The notification of a waiter that is killed goes to one that waited already",
          "[synchronize]") {
    const Shared<Board> board;
    Child first = waiting(board);
    Child second = waiting(board);
    REQUIRE(test_support::stop_process(first.pid()));
    board->notify(1);
    Child late = waiting(board);
    first.kill();
    CHECK(second.join() == 0);
    CHECK(board->woken == 1);
    CHECK(test_support::is_running(late.pid()));
    board->notify(1);
    CHECK(late.join() == 0);
}

TEST_CASE("The notification of a waiter that is killed goes to nobody who came later",
          "[synchronize]") {
    const Shared<Board> board;
    Child first = waiting(board);
    REQUIRE(test_support::stop_process(first.pid()));
    board->notify(1);
    first.kill();
    CHECK(wait_once(*board, Deadline(250ms)) == 1);
}

TEST_CASE("A sleeper is told that a holder of the lock died, and then holds it", "[synchronize]") {
    const Shared<Board> board;
    Child waiter = waiting(board);
    Child holder([&] {
        board->acquire();
        return 0;
    });
    CHECK(holder.join() == 0);
    CHECK(waiter.join() == 2);
    CHECK(board->condition.used == 0);
}

TEST_CASE("Of more waiters than there are places as many are woken as are notified",
          "[synchronize]") {
    const Shared<Board> board;
    constexpr std::size_t places = 62;
    constexpr std::uint32_t more = 10;
    std::vector<Child> seated;
    for (std::size_t i = 0; i < places; ++i)
        seated.push_back(waiting(board));
    const auto crowd_size = [&] {
        board->acquire();
        const std::uint32_t size = board->condition.crowd_size;
        board->lock.release();
        return size;
    };
    std::vector<Child> crowd;
    const auto join_crowd = [&] {
        const std::uint32_t before = crowd_size();
        crowd.emplace_back([&] { return wait_once(*board); });
        REQUIRE(eventually([&] { return crowd_size() == before + 1; }));
    };
    for (std::uint32_t i = 0; i < more; ++i)
        join_crowd();
    board->notify(1);
    CHECK(seated[0].join() == 0);
    join_crowd();  // though a place is free: it came last
    std::this_thread::sleep_for(300ms);
    CHECK(board->woken == 1);
    board->notify(places - 1 + 3);
    for (std::size_t i = 1; i < places; ++i)
        CHECK(seated[i].join() == 0);
    CHECK(eventually([&] { return board->woken == places + 3; }));
    std::this_thread::sleep_for(300ms);
    CHECK(board->woken == places + 3);
    CHECK(crowd_size() == more + 1 - 3);
    board->notify(1000);
    for (Child& waiter : crowd)
        CHECK(waiter.join() == 0);
    CHECK(board->condition.used == 0);
    CHECK(board->condition.crowd_size == 0);
}

TEST_CASE("What had reached a killed waiter goes on to the crowd", "[synchronize]") {
    const Shared<Board> board;
    constexpr std::size_t places = 62;
    std::vector<Child> seated;
    for (std::size_t i = 0; i < places; ++i)
        seated.push_back(waiting(board));
    Child crowd([&] { return wait_once(*board); });
    REQUIRE(eventually([&] {
        board->acquire();
        const std::uint32_t size = board->condition.crowd_size;
        board->lock.release();
        return size == 1;
    }));
    REQUIRE(test_support::stop_process(seated[0].pid()));
    board->notify(places);
    for (std::size_t i = 1; i < places; ++i)
        CHECK(seated[i].join() == 0);
    ::kill(seated[0].pid(), SIGKILL);
    CHECK(seated[0].join() == -SIGKILL);
    CHECK(crowd.join() == 0);
}

TEST_CASE("An interrupted wait holds the lock when it throws", "[synchronize]") {
    const Shared<Board> board;
    board->acquire();
    mp::detail::interrupt_pending = true;
    CHECK_THROWS_AS(board->condition.wait(board->lock, Deadline()), mp::KeyboardInterrupt);
    CHECK_FALSE(mp::detail::interrupt_pending);
    CHECK(board->lock.held_by_caller());
    CHECK(board->condition.used == 0);
    board->lock.release();
}
