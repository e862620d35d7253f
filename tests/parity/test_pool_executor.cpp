// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's ExecutorTest, ProcessPoolExecutorTest, ExecutorShutdownTest and
// ProcessPoolShutdownTest that a Pool has under other names.
#include "pool/pool_faults.hpp"

#include <ranges>

using namespace pool_test;

namespace {

int throw_at_two(int x) {
    if (x == 2) {
        throw std::domain_error("two");
    }
    return x;
}

int slow_at_two(const Job& job) {
    if (job.index == 2) {
        await_cell(job.board, gate, 1);
    }
    return job.index;
}

int throw_timeout(int) {
    throw mp::TimeoutError("the task's own");
}

/// Notes in the worker when its copy is destroyed.
struct Noting {
    BoardRef board;
    int home = 0;
    Noting() = default;
    Noting(const Noting&) = default;
    Noting& operator=(const Noting&) = default;
    ~Noting() {
        if (board.fd >= 0 && ::getpid() != home) {
            cells(board)[finished].fetch_add(1);
        }
    }
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& board.pid& board.fd& board.serial& home;
    }
};

int touch(const Noting&) {
    return 1;
}

struct Falsey : std::runtime_error {
    using std::runtime_error::runtime_error;
    explicit operator bool() const { return false; }
};
[[maybe_unused]] const bool falsey_known = mp::register_exception<Falsey>();

int throw_falsey(int) {
    throw Falsey("false");
}

}  // namespace

TEST_CASE("ExecutorTest.test_submit: the result of a call", "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        auto result = pool.apply_async(multiply, {2, 128});
        CHECK(result.get(patience) == 256);
    });
}

TEST_CASE("ExecutorTest.test_map_exception: results before the failing one, then its exception",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        auto it = pool.imap(throw_at_two, numbers(4));
        CHECK(it.next() == 0);
        CHECK(it.next() == 1);
        CHECK_THROWS_AS(it.next(), std::domain_error);
        CHECK(it.next() == 3);
        CHECK_FALSE(it.next());
    });
}

TEST_CASE("ExecutorTest.test_map_timeout: earlier results are delivered, then TimeoutError",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        Board board;
        auto it = pool.imap(slow_at_two, jobs(board, 4));
        CHECK(it.next(patience) == 0);
        CHECK(it.next(patience) == 1);
        CHECK_THROWS_AS(it.next(50ms), mp::TimeoutError);
        board[gate] = 1;
        CHECK(it.next(patience) == 2);  // the timeout leaves the iterator usable
        CHECK(it.next(patience) == 3);
    });
}

TEST_CASE("ExecutorTest.test_shutdown_race_issue12456: map_async and close at once do not hang",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        auto result = pool.map_async(square, numbers(20), {.chunksize = 1});
        pool.close();
        pool.join();
        CHECK(result.get(0ms) == serial_squares(20));
    });
}

TEST_CASE("ProcessPoolExecutorTest.test_killed_child: the pool goes on after a kill",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        auto result = pool.apply_async(wait_at_gate, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
        const std::set<int> busy = [&] {
            std::set<int> pids;
            for (const int server : children_of(::getpid())) {
                for (const int worker : children_of(server)) {
                    pids.insert(worker);
                }
            }
            return pids;
        }();
        for (const int pid : busy) {
            signal_to(pid, SIGTERM);
        }
        CHECK(outcome(result) == "WorkerLostError");
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    });
}

TEST_CASE("ProcessPoolExecutorTest.test_map_chunksize: 6, 50 and 40 of 40; below 1 is refused",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        for (const int chunksize : {6, 50, 40}) {
            CHECK(pool.map(square, numbers(40), {.chunksize = chunksize}) == serial_squares(40));
        }
        CHECK_THROWS_AS(pool.map(square, numbers(40), {.chunksize = -1}), mp::ValueError);
        CHECK_THROWS_AS(pool.imap(square, numbers(40), {.chunksize = 0}), mp::ValueError);
    });
}

TEST_CASE(
    "ProcessPoolExecutorTest.test_ressources_gced_in_workers: the argument is destroyed in "
    "the worker after the task",
    "[parity][pool]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        Noting item;
        item.board = board.ref();
        item.home = ::getpid();
        CHECK(pool.apply(touch, {item}) == 1);
        CHECK(board.reaches(finished, 1));
    });
}

TEST_CASE(
    "ProcessPoolExecutorTest.test_saturation: 15 blocking calls a worker use exactly the "
    "workers asked for",
    "[parity][pool]") {
    on_every_pool(3, [](auto& pool) {
        Board board;
        std::vector<mp::AsyncResult<int>> results;
        for (int i = 0; i < 15 * 3; ++i) {
            results.push_back(pool.apply_async(wait_at_gate, {board.ref()}));
        }
        CHECK(board.reaches(arrivals, 3));
        CHECK(board[arrivals] == 3);
        board[gate] = 1;
        std::set<int> pids;
        for (auto& result : results) {
            pids.insert(result.get(patience));
        }
        CHECK(pids.size() <= 3);
        CHECK(board[finished] == 45);
    });
}

TEST_CASE("ExecutorTest.test_no_stale_references: idle workers keep no argument",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        Noting item;
        item.board = board.ref();
        item.home = ::getpid();
        const std::vector<Noting> list(8, item);
        CHECK(pool.map(touch, list, {.chunksize = 2}) == std::vector<int>(8, 1));
        CHECK(board.reaches(finished, 8));
    });
}

TEST_CASE("ExecutorShutdownTest.test_run_after_shutdown: every call throws ValueError",
          "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        pool.close();
        const std::vector<int> list{1, 2};
        const std::vector<std::pair<int, int>> rows{{1, 2}};
        CHECK_THROWS_WITH(pool.apply(square, {2}), Catch::Contains("Pool not running"));
        CHECK_THROWS_AS(pool.apply(square, {2}), mp::ValueError);
        CHECK_THROWS_AS(pool.apply_async(square, {2}), mp::ValueError);
        CHECK_THROWS_AS(pool.map(square, list), mp::ValueError);
        CHECK_THROWS_AS(pool.map_async(square, list), mp::ValueError);
        CHECK_THROWS_AS(pool.starmap(multiply, rows), mp::ValueError);
        CHECK_THROWS_AS(pool.starmap_async(multiply, rows), mp::ValueError);
        CHECK_THROWS_AS(pool.imap(square, list), mp::ValueError);
        CHECK_THROWS_AS(pool.imap_unordered(square, list), mp::ValueError);
        pool.join();
    });
}

TEST_CASE("ExecutorShutdownTest.test_hang_issue12364: 50 calls pending at close all finish",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        Board board;
        std::vector<mp::AsyncResult<int>> results;
        for (int i = 0; i < 50; ++i) {
            results.push_back(pool.apply_async(wait_at_gate, {board.ref()}));
        }
        pool.close();
        board[gate] = 1;
        pool.join();
        for (auto& result : results) {
            CHECK(outcome(result, 0ms) == "value");
        }
        CHECK(board[finished] == 50);
    });
}

TEST_CASE("ExecutorShutdownTest.test_cancel_futures: cancelled calls never run, others finish",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        Board board;
        std::vector<mp::AsyncResult<int>> results;
        for (int i = 0; i < 50; ++i) {
            results.push_back(pool.apply_async(wait_at_gate, {board.ref()}));
        }
        REQUIRE(board.reaches(arrivals, 2));
        for (std::size_t i = 20; i < 50; ++i) {
            (void)results[i].cancel();
        }
        pool.close();
        board[gate] = 1;
        pool.join();
        long cancelled = 0;
        long values = 0;
        for (auto& result : results) {
            const std::string told = outcome(result, 0ms);
            cancelled += told == "CancelledError";
            values += told == "value";
        }
        CHECK(cancelled == 30);
        CHECK(values == 20);
        CHECK(board[finished] == 20);
    });
}

TEST_CASE("ExecutorShutdownTest.test_hang_gh94440: submit and cancel right before the end",
          "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        auto result = pool.apply_async(square, {2});
        (void)result.cancel();
        pool.close();
        pool.join();
        const std::string told = outcome(result, 0ms);
        CHECK((told == "value" || told == "CancelledError"));
    });
}

TEST_CASE("ExecutorShutdownTest.test_hang_gh83386: a program that ends while a call runs",
          "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    const BoardRef ref = board.ref();
    ChildProgram program([ref, method] {
        mp::Pool<> pool({.processes = 1, .start_method = method});
        auto result = pool.apply_async(wait_at_gate, {ref});
        await_cell(ref, arrivals, 1);
        pool.close();
        return 0;  // the pool is dropped with the call in flight
    });
    CHECK(program.wait() == 0);
    CHECK(board[finished] == 0);
}

TEST_CASE("ProcessPoolShutdownTest.test_processes_terminate: no worker is left after join",
          "[parity][pool]") {
    on_process_pools(5, [](auto& pool) {
        const std::set<int> pids = worker_pids(pool, 5);
        CHECK(pids.size() == 5);
        pool.close();
        pool.join();
        CHECK(all_gone(pids));
    });
}

TEST_CASE("ProcessPoolShutdownTest.test_context_manager_shutdown: leaving the scope joins workers",
          "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    std::set<int> pids;
    {
        mp::Pool<> pool({.processes = 5, .start_method = method});
        CHECK(pool.map(square, numbers(30)) == serial_squares(30));
        pids = worker_pids(pool, 5);
    }
    CHECK(pids.size() == 5);
    CHECK(all_gone(pids));
}

TEST_CASE("swallows_falsey_exceptions: an exception that is false still counts", "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        auto result = pool.apply_async(throw_falsey, {1});
        CHECK_THROWS_AS(result.get(patience), Falsey);
        CHECK_FALSE(result.successful());
    });
}

TEST_CASE("map_timeout_from_callable: a TimeoutError of the function is its own",
          "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        auto it = pool.imap(throw_timeout, numbers(2));
        for (int i = 0; i < 2; ++i) {
            try {
                (void)it.next(patience);
                FAIL("nothing was thrown");
            } catch (const mp::TimeoutError& error) {
                CHECK_THAT(error.what(), Catch::Contains("the task's own"));
            }
        }
        CHECK_FALSE(it.next(patience));
    });
}

TEST_CASE("terminate_workers: a running call ends without finishing, the end is idempotent",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        auto result = pool.apply_async(wait_at_gate, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
        pool.terminate();
        pool.terminate();
        pool.join();
        pool.join();
        CHECK(outcome(result, 0ms) == "CancelledError");
        board[gate] = 1;
        CHECK(board[finished] == 0);
        CHECK_THROWS_AS(pool.apply_async(square, {1}), mp::ValueError);
    });
}
