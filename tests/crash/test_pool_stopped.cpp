// SPDX-License-Identifier: BSL-1.0
// Workers that are stopped, that run too long, and calls that are cancelled.
#include "pool/pool_faults.hpp"

using namespace pool_test;

namespace {

int report_and_wait(BoardRef board) {
    cells(board)[items].store(::getpid());
    return wait_at_gate(board);
}

int spin_for_ever(BoardRef board) {
    Cell* at = cells(board);
    at[items].store(::getpid());
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    at[arrivals].fetch_add(1);
    while (at[gate] == 0) {
    }
    return 1;
}

}  // namespace

TEST_CASE("A worker stopped for a while and continued loses nothing", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        auto held = pool.apply_async(report_and_wait, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
        const int worker = static_cast<int>(board[items].load());
        signal_to(worker, SIGSTOP);
        REQUIRE(eventually([&] { return state_of(worker)->state == 'T'; }));
        CHECK(pool.map(square, numbers(100), {.chunksize = 1}) == serial_squares(100));
        board[gate] = 1;
        CHECK_FALSE(held.wait(50ms));
        signal_to(worker, SIGCONT);
        CHECK(held.get(patience) == worker);
        CHECK(board[finished] == 1);
    });
}

TEST_CASE("Workers stopped and continued at random lose and repeat nothing", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        const std::set<int> workers = worker_pids(pool, 2);
        std::atomic<bool> stop{false};
        std::jthread stopper([&] {
            for (int i = 0; !stop; ++i) {
                for (const int pid : workers) {
                    signal_to(pid, SIGSTOP);
                    std::this_thread::sleep_for(std::chrono::microseconds(37 * (i % 29)));
                    signal_to(pid, SIGCONT);
                }
                std::this_thread::sleep_for(std::chrono::microseconds(53 * (i % 23)));
            }
        });
        const int count = static_cast<int>(std::min(scaled(5000), 60000L));
        auto it = pool.imap(counted_square, jobs(board, count));
        for (int i = 0; i < count; ++i) {
            REQUIRE(it.next(patience) == i * i);
        }
        stop = true;
        stopper.join();
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            REQUIRE(board[items + i] == 1);
        }
        CHECK(worker_pids(pool, 2) == workers);
    });
}

TEST_CASE("A stopped worker whose call has a time limit is killed and replaced", "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        auto late = pool.apply_async(report_and_wait, {board.ref()}, {.timeout = 400ms});
        REQUIRE(board.reaches(arrivals, 1));
        const int worker = static_cast<int>(board[items].load());
        signal_to(worker, SIGSTOP);
        auto behind = pool.apply_async(square, {4});
        CHECK(outcome(late) == "TimeoutError");
        CHECK(behind.get(patience) == 16);
        CHECK(eventually([&] { return gone(worker); }));
    });
}

TEST_CASE("A call that blocks all signals and spins is ended by its time limit and by cancel",
          "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        auto late = pool.apply_async(spin_for_ever, {board.ref()}, {.timeout = 200ms});
        CHECK(outcome(late) == "TimeoutError");
        CHECK(eventually([&] { return gone(static_cast<int>(board[items].load())); }));

        auto unwanted = pool.apply_async(spin_for_ever, {board.ref()});
        REQUIRE(board.reaches(arrivals, 2));
        const int worker = static_cast<int>(board[items].load());
        (void)unwanted.cancel();
        CHECK(outcome(unwanted) == "CancelledError");
        CHECK(eventually([&] { return gone(worker); }));
        CHECK(pool.apply(square, {3}) == 9);
    });
}

TEST_CASE("cancel ends a running call's worker alone, a queued call never runs", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        Board other;
        auto kept = pool.apply_async(report_and_wait, {other.ref()});
        REQUIRE(other.reaches(arrivals, 1));
        auto running = pool.apply_async(report_and_wait, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
        std::vector<mp::AsyncResult<int>> queued;
        for (int i = 0; i < 20; ++i) {
            queued.push_back(pool.apply_async(counted_square, {Job{board.ref(), 10 + i}}));
        }
        for (std::size_t i = 0; i < 20; i += 2) {
            (void)queued[i].cancel();
        }
        const int worker = static_cast<int>(board[items].load());
        (void)running.cancel();
        CHECK(outcome(running) == "CancelledError");
        CHECK(eventually([&] { return gone(worker); }));
        for (std::size_t i = 0; i < 20; ++i) {
            CHECK(outcome(queued[i]) == (i % 2 == 0 ? "CancelledError" : "value"));
            CHECK(board[items + 10 + i] == (i % 2 == 0 ? 0 : 1));
        }
        CHECK_FALSE(kept.ready());
        other[gate] = 1;
        CHECK(outcome(kept) == "value");
    });
}

TEST_CASE("cancel at any moment leaves a value or CancelledError, and a pool that works",
          "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (long round = 0; round < scaled(60); ++round) {
            Board board;
            std::vector<mp::AsyncResult<int>> results;
            for (int i = 0; i < 20; ++i) {
                results.push_back(pool.apply_async(counted_square, {Job{board.ref(), i}}));
            }
            std::this_thread::sleep_for(std::chrono::microseconds(7 * (round % 50)));
            for (std::size_t i = 0; i < 20; i += 3) {
                (void)results[i].cancel();
            }
            for (std::size_t i = 0; i < 20; ++i) {
                const std::string told = outcome(results[i]);
                INFO("item " << i);
                CHECK((told == "value" || (i % 3 == 0 && told == "CancelledError")));
                CHECK(board[items + i] <= 1);
            }
        }
        CHECK(pool.map(square, numbers(50)) == serial_squares(50));
    });
}

TEST_CASE("Time limits of many calls at once end each of them and no other", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        std::vector<mp::AsyncResult<int>> late;
        std::vector<mp::AsyncResult<int>> good;
        for (int i = 0; i < 6; ++i) {
            late.push_back(pool.apply_async(report_and_wait, {board.ref()}, {.timeout = 100ms}));
            good.push_back(pool.apply_async(square, {i}, {.timeout = patience}));
        }
        for (int i = 0; i < 6; ++i) {
            CHECK(outcome(late[static_cast<std::size_t>(i)]) == "TimeoutError");
            CHECK(good[static_cast<std::size_t>(i)].get(patience) == i * i);
        }
    });
}
