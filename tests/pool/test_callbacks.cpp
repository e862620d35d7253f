// SPDX-License-Identifier: BSL-1.0
// Callbacks that use their pool, and results that nobody waits for.
#include "pool/pool_faults.hpp"

using namespace pool_test;

TEST_CASE("ready turns true although nobody waits", "[pool][async_result]") {
    on_every_pool(2, [](auto& pool) {
        auto value = pool.apply_async(square, {3});
        CHECK(eventually([&] { return value.ready(); }));
        auto error = pool.apply_async(fail_on_odd, {1});
        CHECK(eventually([&] { return error.ready(); }));
        auto list = pool.map_async(square, numbers(1000), {.chunksize = 1});
        CHECK(eventually([&] { return list.ready(); }));
        CHECK(value.successful());
        CHECK_FALSE(error.successful());
        CHECK(list.get() == serial_squares(1000));
    });
}

TEST_CASE("ready turns true although nobody waits: a lost call, a call past its limit",
          "[pool][async_result]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        auto lost = pool.apply_async(square_or_die, {Mortal{1, Death::kill}});
        CHECK(eventually([&] { return lost.ready(); }));
        auto late = pool.apply_async(wait_at_gate, {board.ref()}, {.timeout = 100ms});
        CHECK(eventually([&] { return late.ready(); }));
        CHECK(outcome(lost, 0ms) == "WorkerLostError");
        CHECK(outcome(late, 0ms) == "TimeoutError");
    });
}

TEST_CASE("A callback is called although nobody waits, before ready turns true",
          "[pool][async_result]") {
    on_every_pool(1, [](auto& pool) {
        std::atomic<int> called{0};
        std::atomic<bool> leave{false};
        auto result = pool.apply_async(square, {3}, {.callback = [&](const int& nine) {
                                           called = nine;
                                           eventually([&] { return leave.load(); });
                                       }});
        CHECK(eventually([&] { return called == 9; }));
        CHECK_FALSE(result.ready());
        CHECK_FALSE(result.wait(20ms));
        leave = true;
        CHECK(result.get(patience) == 9);
    });
}

TEST_CASE("A callback may wait for another call, and that one's callback may too",
          "[pool][async_result]") {
    on_process_pools(1, [](auto& pool) {
        std::atomic<int> deepest{0};
        auto first = pool.apply_async(square, {2}, {.callback = [&](const int& four) {
                                          auto second = pool.apply_async(
                                              square, {four}, {.callback = [&](const int& sixteen) {
                                                  deepest = pool.apply(square, {sixteen});
                                              }});
                                          (void)second.get();
                                      }});
        CHECK(first.get(patience) == 4);
        CHECK(deepest == 256);
        CHECK(pool.map(square, numbers(50)) == serial_squares(50));
    });
}

TEST_CASE("A callback may wait for calls whose callbacks are due", "[pool][async_result]") {
    on_process_pools(2, [](auto& pool) {
        for (int round = 0; round < 20; ++round) {
            std::vector<mp::AsyncResult<int>> others;
            std::atomic<bool> known{false};
            std::atomic<int> called{0};
            std::atomic<int> right{0};
            auto first = pool.apply_async(square, {2}, {.callback = [&](const int&) {
                                              eventually([&] { return known.load(); });
                                              for (auto& other : others) {
                                                  right += outcome(other) == "value";
                                              }
                                          }});
            for (int i = 0; i < 10; ++i) {
                others.push_back(
                    pool.apply_async(square, {i}, {.callback = [&](const int&) { ++called; }}));
            }
            known = true;
            REQUIRE(first.get(patience) == 4);
            REQUIRE(right == 10);
            REQUIRE(called == 10);
        }
    });
}

TEST_CASE("A worker that dies while a callback waits for it is replaced, and the callback is told",
          "[pool][async_result]") {
    on_process_pools(1, [](auto& pool) {
        std::vector<std::string> told;
        auto first = pool.apply_async(
            square, {2}, {.callback = [&](const int&) {
                told.push_back(outcome_of([&] {
                    return pool.apply(square_or_die, {Mortal{1, Death::kill}});
                }));
                told.push_back(
                    outcome_of([&] { return pool.apply(own_pid, {}, {.timeout = 10s}); }));
                told.push_back(outcome_of([&] { return pool.map(square, numbers(50)); }));
            }});
        CHECK(first.get(patience) == 4);
        CHECK(told == std::vector<std::string>{"WorkerLostError", "value", "value"});
        CHECK(pool.apply(square, {3}) == 9);
    });
}

TEST_CASE("A time limit ends a call that a callback waits for", "[pool][async_result]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        std::string told;
        auto first = pool.apply_async(
            square, {2}, {.callback = [&](const int&) {
                told = outcome_of(
                    [&] { return pool.apply(wait_at_gate, {board.ref()}, {.timeout = 100ms}); });
            }});
        CHECK(first.get(patience) == 4);
        CHECK(told == "TimeoutError");
        CHECK(board[finished] == 0);
    });
}

TEST_CASE("terminate ends the call that a callback waits for", "[pool][async_result]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    std::string told;
    {
        mp::Pool<> pool({.processes = 1, .start_method = method});
        auto first = pool.apply_async(
            square, {2}, {.callback = [&](const int&) {
                told = outcome_of([&] { return pool.apply(wait_at_gate, {board.ref()}); });
            }});
        REQUIRE(board.reaches(arrivals, 1));
        pool.terminate();
        pool.join();
    }
    CHECK(told == "CancelledError");
    CHECK(board[finished] == 0);
}

TEST_CASE("A pool destroyed in its own callback ends the calls that the callback waits for",
          "[pool][async_result]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    std::vector<std::string> told;
    std::atomic<bool> known{false};
    std::optional<mp::Pool<>> pool(mp::PoolOptions{.processes = 1, .start_method = method});
    std::vector<mp::AsyncResult<int>> others;
    auto first = pool->apply_async(square, {2}, {.callback = [&](const int&) {
                                       eventually([&] { return known.load(); });
                                       pool.reset();
                                       for (auto& other : others) {
                                           told.push_back(outcome(other));
                                       }
                                   }});
    others.push_back(pool->apply_async(wait_at_gate, {board.ref()}));
    others.push_back(pool->apply_async(square, {3}, {.callback = [](const int&) {}}));
    known = true;
    CHECK(first.get(patience) == 4);
    CHECK(told == std::vector<std::string>{"CancelledError", "CancelledError"});
}

TEST_CASE("AsyncResult.get on an rvalue copies while there is another copy, then moves",
          "[pool][async_result]") {
    on_every_pool(1, [](auto& pool) {
        auto result = pool.map_async(square, numbers(1000));
        const int* const place = result.get(patience).data();
        {
            auto other = result;
            const std::vector<int> copied = std::move(other).get();
            CHECK(copied == serial_squares(1000));
            CHECK(copied.data() != place);
        }
        CHECK(result.get().data() == place);
        const std::vector<int> moved = std::move(result).get();
        CHECK(moved == serial_squares(1000));
        CHECK(moved.data() == place);
    });
}
