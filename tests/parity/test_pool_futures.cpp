// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's FutureTests and WaitTests that AsyncResult has: callbacks, states,
// waiting, cancelling.
#include "pool/pool_faults.hpp"
#include "process/process_tools.hpp"

#include <atomic>

using namespace pool_test;

TEST_CASE("FutureTests.test_done_callback_with_result: the callback sees the result",
          "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        std::atomic<int> seen{0};
        auto result = pool.apply_async(square, {5}, {.callback = [&](const int& r) { seen = r; }});
        REQUIRE(result.wait(patience));
        CHECK(seen == 25);
    });
}

TEST_CASE("FutureTests.test_done_callback_with_exception: the error callback sees the exception",
          "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        std::string seen;
        auto result =
            pool.apply_async(fail_on_odd, {5},
                             {.callback = [&](const int&) { seen = "a value"; },
                              .error_callback = [&](std::exception_ptr e) { seen = name_of(e); }});
        REQUIRE(result.wait(patience));
        CHECK(seen == "odd: 5");
    });
}

TEST_CASE("FutureTests.test_done_callback_with_cancel: the error callback sees CancelledError",
          "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        Board board;
        std::string seen;
        auto first = pool.apply_async(wait_at_gate, {board.ref()});
        auto second = pool.apply_async(
            square, {2}, {.error_callback = [&](std::exception_ptr e) { seen = name_of(e); }});
        REQUIRE(board.reaches(arrivals, 1));
        (void)second.cancel();
        CHECK(outcome(second) == "CancelledError");
        CHECK(seen == "CancelledError");
        board[gate] = 1;
        CHECK(outcome(first) == "value");
    });
}

TEST_CASE(
    "FutureTests.test_done_callback_raises: a throwing callback is reported, its call keeps its "
    "result and the next callback runs",
    "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        std::string reported;
        std::string told_good;
        std::string told_bad;
        int seen = 0;
        {
            const process_test::CapturedErrors errors;
            auto bad = pool.apply_async(
                square, {2}, {.callback = [](const int&) { throw std::logic_error("callback"); }});
            auto good =
                pool.apply_async(square, {3}, {.callback = [&](const int& r) { seen = r; }});
            told_good = outcome(good);
            told_bad = outcome(bad);
            reported = errors.text();  // callbacks have run when a call is ready
        }
        CHECK(told_good == "value");
        CHECK(told_bad == "value");
        CHECK(seen == 9);
        CHECK(reported == "a callback of a pool failed: callback\n");
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    });
}

TEST_CASE("FutureTests.test_cancel: queued, running and finished calls", "[parity][pool]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        auto done = pool.apply_async(square, {2});
        REQUIRE(done.wait(patience));
        (void)done.cancel();
        CHECK(done.get() == 4);  // too late

        auto failed = pool.apply_async(fail_on_odd, {1});
        REQUIRE(failed.wait(patience));
        (void)failed.cancel();
        CHECK(outcome(failed) == "odd: 1");

        auto running = pool.apply_async(wait_at_gate, {board.ref()});
        auto queued = pool.apply_async(counted_square, {Job{board.ref(), 0}});
        auto behind = pool.apply_async(square, {7});
        REQUIRE(board.reaches(arrivals, 1));
        (void)queued.cancel();
        CHECK(outcome(queued) == "CancelledError");
        CHECK_FALSE(running.ready());
        (void)running.cancel();
        CHECK(outcome(running) == "CancelledError");
        (void)running.cancel();  // again is harmless
        CHECK(outcome(running) == "CancelledError");
        CHECK(behind.get(patience) == 49);
        CHECK(board[items] == 0);
        CHECK(board[finished] == 0);
    });
}

TEST_CASE("FutureTests.test_done: ready and successful in each state", "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        Board board;
        auto running = pool.apply_async(wait_at_gate, {board.ref()});
        auto queued = pool.apply_async(square, {1});
        auto cancelled = pool.apply_async(square, {2});
        auto failing = pool.apply_async(fail_on_odd, {3});
        REQUIRE(board.reaches(arrivals, 1));
        CHECK_FALSE(running.ready());
        CHECK_FALSE(queued.ready());
        CHECK_THROWS_AS(running.successful(), mp::ValueError);
        CHECK_THROWS_AS(queued.successful(), mp::ValueError);
        (void)cancelled.cancel();
        REQUIRE(cancelled.wait(patience));
        CHECK(cancelled.ready());
        CHECK_FALSE(cancelled.successful());
        board[gate] = 1;
        REQUIRE(running.wait(patience));
        CHECK(running.ready());
        CHECK(running.successful());
        REQUIRE(failing.wait(patience));
        CHECK_FALSE(failing.successful());
        REQUIRE(queued.wait(patience));
        CHECK(queued.successful());
    });
}

TEST_CASE(
    "FutureTests.test_result_with_timeout: TimeoutError, CancelledError, the error, the value",
    "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        Board board;
        auto running = pool.apply_async(wait_at_gate, {board.ref()});
        auto cancelled = pool.apply_async(square, {2});
        REQUIRE(board.reaches(arrivals, 1));
        (void)cancelled.cancel();
        CHECK_THROWS_AS(running.get(0ms), mp::TimeoutError);
        CHECK_THROWS_AS(cancelled.get(patience), mp::CancelledError);
        board[gate] = 1;
        CHECK(running.get(patience) > 0);
        CHECK_THROWS_AS(pool.apply_async(fail_on_odd, {3}).get(patience), std::invalid_argument);
        CHECK(pool.apply_async(square, {3}).get(patience) == 9);
    });
}

TEST_CASE("FutureTests.test_result_with_success: threads that wait are released by the result",
          "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        Board board;
        auto result = pool.apply_async(wait_at_gate, {board.ref()});
        std::atomic<int> released{0};
        std::vector<std::jthread> waiters;
        for (int i = 0; i < 3; ++i) {
            waiters.emplace_back([&released, result] {
                if (result.get(patience) > 0) {
                    ++released;
                }
            });
        }
        REQUIRE(board.reaches(arrivals, 1));
        CHECK(released == 0);
        board[gate] = 1;
        waiters.clear();
        CHECK(released == 3);
    });
}

TEST_CASE("FutureTests.test_result_with_cancel: threads that wait are released by cancel",
          "[parity][pool]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        auto result = pool.apply_async(wait_at_gate, {board.ref()});
        std::string told;
        std::jthread waiter([&told, result] { told = outcome(result); });
        REQUIRE(board.reaches(arrivals, 1));
        (void)result.cancel();
        waiter.join();
        CHECK(told == "CancelledError");
    });
}

TEST_CASE("WaitTests.test_timeout: wait tells whether the result came in time", "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        Board board;
        auto slow = pool.apply_async(wait_at_gate, {board.ref()});
        auto fast = pool.apply_async(square, {2});
        CHECK(fast.wait(patience));
        CHECK_FALSE(slow.wait(20ms));
        CHECK_FALSE(slow.wait(0ms));
        board[gate] = 1;
        slow.wait();
        CHECK(slow.ready());
    });
}
