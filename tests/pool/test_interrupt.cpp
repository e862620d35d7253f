// SPDX-License-Identifier: BSL-1.0
// SIGINT and pools: the guard's exception, the parent's usual end, workers that ignore it.
#include "pool/pool_faults.hpp"

#include <multiprocessing/process.hpp>

using namespace pool_test;

namespace {

/// Sends SIGINT to the parent program, then waits.
int interrupt_parent(const Job& job) {
    cells(job.board)[arrivals].fetch_add(1);
    if (job.index == 0) {
        ::kill(job.board.pid, SIGINT);
    }
    await_cell(job.board, gate, 1);
    cells(job.board)[finished].fetch_add(1);
    return job.index;
}

}  // namespace

TEST_CASE("Under an InterruptGuard SIGINT makes blocking calls throw KeyboardInterrupt",
          "[pool][interrupt]") {
    on_process_pools(2, [](auto& pool) {
        const std::set<int> workers = worker_pids(pool, 2);
        mp::InterruptGuard guard;
        {
            Board board;
            CHECK_THROWS_AS(pool.map(interrupt_parent, jobs(board, 2), {.chunksize = 1}),
                            mp::KeyboardInterrupt);
            board[gate] = 1;
        }
        {
            Board board;
            auto result = pool.apply_async(interrupt_parent, {Job{board.ref(), 0}});
            CHECK_THROWS_AS(result.get(), mp::KeyboardInterrupt);
            board[gate] = 1;
            CHECK(outcome(result) == "value");  // the interrupt was the caller's, not the task's
        }
        {
            Board board;
            auto it = pool.imap(interrupt_parent, jobs(board, 2));
            CHECK_THROWS_AS(it.next(), mp::KeyboardInterrupt);
            board[gate] = 1;
        }
        {
            Board board;
            auto result = pool.apply_async(interrupt_parent, {Job{board.ref(), 0}});
            CHECK_THROWS_AS(result.wait(), mp::KeyboardInterrupt);
            board[gate] = 1;
            CHECK(outcome(result) == "value");
        }
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
        CHECK(worker_pids(pool, 2) == workers);  // SIGINT cost no worker
        pool.terminate();
        pool.join();
    });
}

TEST_CASE("SIGINT to the whole group reaches the parent alone", "[pool][interrupt]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    const BoardRef ref = board.ref();
    ChildProgram program([ref, method] {
        mp::Pool<> pool({.processes = 2, .start_method = method});
        const std::set<int> before = worker_pids(pool, 2);
        mp::InterruptGuard guard;
        std::string told = "nothing";
        try {
            std::vector<BoardRef> all(4, ref);
            (void)pool.map(wait_at_gate, all, {.chunksize = 1});
        } catch (const mp::KeyboardInterrupt&) {
            told = "interrupt";
        }
        cells(ref)[gate] = 1;
        const bool same = worker_pids(pool, 2) == before;
        pool.terminate();
        pool.join();
        return told == "interrupt" && same ? 0 : 1;
    });
    REQUIRE(board.reaches(arrivals, 2));
    program.signal_group(SIGINT);
    const auto code = program.wait();
    REQUIRE(code);
    CHECK(*code == 0);
}

TEST_CASE("Without a guard SIGINT ends the parent, and no worker survives it",
          "[pool][interrupt]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    const BoardRef ref = board.ref();
    ChildProgram program([ref, method] {
        std::signal(SIGINT, SIG_DFL);
        mp::Pool<> pool({.processes = 2, .start_method = method});
        std::vector<BoardRef> all(4, ref);
        (void)pool.map(wait_at_gate, all, {.chunksize = 1});
        return 0;
    });
    REQUIRE(board.reaches(arrivals, 2));
    const std::vector<int> below = descendants_of(program.pid());
    CHECK(below.size() >= 3);
    program.signal_group(SIGINT);
    const auto code = program.wait();
    REQUIRE(code);
    CHECK(*code == -SIGINT);
    CHECK(eventually([&] { return all_gone(below); }));
    CHECK(board[finished] == 0);
}

TEST_CASE("SIGINT at random moments under a guard leaves a pool that works or ends",
          "[pool][interrupt]") {
    Watch watch;
    ChildProgram program([] {
        mp::Pool<> pool(2);
        mp::InterruptGuard guard;
        const int self = ::getpid();
        std::atomic<bool> stop{false};
        std::jthread sender([&] {
            for (int i = 0; !stop; ++i) {
                std::this_thread::sleep_for(std::chrono::microseconds(100 * (i % 17)));
                ::kill(self, SIGINT);
            }
        });
        int interrupted = 0;
        int right = 0;
        for (int i = 0; i < 200; ++i) {
            try {
                if (pool.map(square, numbers(50), {.chunksize = 5}) == serial_squares(50)) {
                    ++right;
                } else {
                    return 2;
                }
            } catch (const mp::KeyboardInterrupt&) {
                ++interrupted;
            }
        }
        stop = true;
        sender.join();
        for (int i = 0; i < 100; ++i) {
            try {
                return pool.map(square, numbers(50)) == serial_squares(50) &&
                               interrupted + right == 200
                           ? 0
                           : 3;
            } catch (const mp::KeyboardInterrupt&) {  // the last one may be pending
            }
        }
        return 4;
    });
    const auto code = program.wait(2 * patience);
    REQUIRE(code);
    // An interrupt that no call consumed is raised again when the guard goes.
    CHECK((*code == 0 || *code == -SIGINT));
}
