// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestBarrier: five parties, of which four are processes of every
// start method.
#include <mutex>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include <multiprocessing.hpp>
#include <multiprocessing/shared/value.hpp>
#include <multiprocessing/synchronize.hpp>

#include "process/process_tools.hpp"

using namespace process_test;

namespace {

constexpr int parties = 5;
constexpr auto limit = patience;

/// A list that processes append to: only its length matters.
struct Counter {
    mp::Value<int> number{0};

    void append() const {
        const std::scoped_lock guard(number.get_lock());
        ++number.value();
    }
    [[nodiscard]] int length() const {
        const std::scoped_lock guard(number.get_lock());
        return number.value();
    }
};

/// What each of the parties is given.
struct Table {
    mp::Barrier barrier{parties, nullptr, limit};
    mp::Barrier other{parties, nullptr, limit};
    Counter first;
    Counter second;
    Counter third;
};

void wait_until_broken(const mp::Barrier& barrier) {
    while (!barrier.broken())
        std::this_thread::sleep_for(1ms);
}

/// Runs the function in all parties at once, one of them this process; all must end well.
void run_all(const Table& table, void (*function)(Table)) {
    const auto method = every_method();
    std::vector<mp::Process> others;
    for (int i = 1; i < parties; ++i) {
        others.emplace_back(function, std::tuple(table),
                            mp::ProcessOptions{.daemon = true, .start_method = method});
        others.back().start();
    }
    function(table);
    for (mp::Process& other : others) {
        REQUIRE(other.join(patience));
        CHECK(other.exitcode() == 0);
    }
}

/// A check that works in every process: a child that fails it ends with 1.
void require(bool condition) {
    if (!condition)
        throw std::logic_error("a party saw something wrong");
}

void in_lockstep(const Table& table, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        table.first.append();
        require(table.second.length() == i * parties);
        table.barrier.wait();
        table.second.append();
        require(table.first.length() == (i + 1) * parties);
        table.barrier.wait();
    }
    require(table.barrier.n_waiting() == 0);
    require(!table.barrier.broken());
}

}  // namespace

TEST_CASE("_TestBarrier.test_barrier", "[parity][locks]") {
    const Watch watch;
    const Table table;
    CHECK(table.barrier.parties() == parties);
    run_all(table, [](Table t) { in_lockstep(t, 1); });
}

TEST_CASE("_TestBarrier.test_barrier_10", "[parity][locks]") {
    const Watch watch;
    run_all(Table(), [](Table t) { in_lockstep(t, 10); });
}

TEST_CASE("_TestBarrier.test_wait_return", "[parity][locks]") {
    const Watch watch;
    const Table table;
    run_all(table, [](Table t) {
        if (t.barrier.wait() == 0)
            t.first.append();
    });
    CHECK(table.first.length() == 1);
    CHECK_FALSE(table.barrier.broken());
}

namespace {
/// A function object that can be sent with its barrier.
struct Append {
    Counter counter;
    void operator()() const { counter.append(); }
};
void pass_with_action(Table t) {
    t.barrier.wait();
    require(t.first.length() == 1);
}
}  // namespace

TEST_CASE("_TestBarrier.test_action", "[parity][locks]") {
    const Watch watch;
    Table table;
    table.barrier = mp::Barrier(parties, Append{table.first});
    run_all(table, pass_with_action);
    CHECK(table.first.length() == 1);
}

TEST_CASE("_TestBarrier.test_action: a lambda with captures is inherited", "[parity][locks]") {
    const Watch watch;
    const Counter counter;
    int calls_here = 0;
    const mp::Barrier barrier(2, [&calls_here, counter] {
        ++calls_here;
        counter.append();
    });
    mp::Process other([barrier] { barrier.wait(limit); }, {},
                      {.start_method = mp::StartMethod::fork});
    other.start();
    barrier.wait(limit);
    other.join();
    CHECK(other.exitcode() == 0);
    CHECK(counter.length() == 1);
    mp::Process spawned([](mp::Barrier b) { b.wait(limit); }, {barrier},
                        {.start_method = mp::StartMethod::spawn});
    CHECK_THROWS_AS(spawned.start(), mp::PicklingError);
}

TEST_CASE("_TestBarrier.test_abort", "[parity][locks]") {
    const Watch watch;
    const Table table;
    run_all(table, [](Table t) {
        try {
            if (t.barrier.wait() == parties / 2)
                throw 0;
            t.barrier.wait();
            t.first.append();
        } catch (const mp::BrokenBarrierError&) {
            t.second.append();
        } catch (int) {
            t.barrier.abort();
        }
    });
    CHECK(table.first.length() == 0);
    CHECK(table.second.length() == parties - 1);
    CHECK(table.barrier.broken());
}

TEST_CASE("_TestBarrier.test_reset", "[parity][locks]") {
    const Watch watch;
    const Table table;
    run_all(table, [](Table t) {
        if (t.barrier.wait() == parties / 2) {
            while (t.barrier.n_waiting() < parties - 1)
                std::this_thread::sleep_for(1ms);
            t.barrier.reset();
        } else {
            try {
                t.barrier.wait();
                t.first.append();
            } catch (const mp::BrokenBarrierError&) {
                t.second.append();
            }
        }
        t.barrier.wait();  // it works again
        t.third.append();
    });
    CHECK(table.first.length() == 0);
    CHECK(table.second.length() == parties - 1);
    CHECK(table.third.length() == parties);
}

TEST_CASE("_TestBarrier.test_abort_and_reset", "[parity][locks]") {
    const Watch watch;
    const Table table;
    run_all(table, [](Table t) {
        try {
            if (t.barrier.wait() == parties / 2)
                throw 0;
            t.barrier.wait();
            t.first.append();
        } catch (const mp::BrokenBarrierError&) {
            t.second.append();
        } catch (int) {
            t.barrier.abort();
        }
        if (t.other.wait() == parties / 2)
            t.barrier.reset();
        t.other.wait();
        t.barrier.wait();
        t.third.append();
    });
    CHECK(table.first.length() == 0);
    CHECK(table.second.length() == parties - 1);
    CHECK(table.third.length() == parties);
}

TEST_CASE("_TestBarrier.test_timeout", "[parity][locks]") {
    const Watch watch;
    run_all(Table(), [](Table t) {
        if (t.barrier.wait() == parties / 2)
            wait_until_broken(t.barrier);  // late: the others are gone by then
        try {
            t.barrier.wait(20ms);
        } catch (const mp::BrokenBarrierError&) {
            return;
        }
        require(false);
    });
}

TEST_CASE("_TestBarrier.test_default_timeout", "[parity][locks]") {
    const Watch watch;
    Table table;
    table.other = mp::Barrier(parties, nullptr, 100ms);
    run_all(table, [](Table t) {
        if (t.barrier.wait() == parties / 2)
            wait_until_broken(t.other);
        try {
            t.other.wait();
        } catch (const mp::BrokenBarrierError&) {
            return;
        }
        require(false);
    });
}

TEST_CASE("_TestBarrier.test_single_thread", "[parity][locks]") {
    const Watch watch;
    const mp::Barrier barrier(1);
    CHECK(barrier.wait() == 0);
    CHECK(barrier.wait() == 0);
    CHECK_THROWS_AS(mp::Barrier(0), mp::ValueError);
}

TEST_CASE("_TestBarrier.test_thousand", "[parity][locks]") {
    const Watch watch;
    const Table table;
    run_all(table, [](Table t) {
        for (int i = 0; i < 1000; ++i) {
            t.barrier.wait();
            t.first.append();
            if (t.barrier.wait() == 0)
                require(t.first.length() == (i + 1) * parties);
        }
    });
    CHECK(table.first.length() == 1000 * parties);
}
