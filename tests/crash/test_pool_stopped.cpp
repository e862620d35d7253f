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
        REQUIRE(eventually([&] { return state_of(worker) == 'T'; }));
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
        const int count = static_cast<int>(std::min(scaled(5000L), 60000L));
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
        auto late = pool.apply_async(report_and_wait, {board.ref()}, {.timeout = 1s});
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
        auto late = pool.apply_async(spin_for_ever, {board.ref()}, {.timeout = 1s});
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

namespace {

/// Whether the pool still answers, also for a call with a time limit.
template <class Pool>
bool answers(Pool& pool) {
    auto call = pool.apply_async(square, {5});
    auto limited = pool.apply_async(square, {6}, {.timeout = patience});
    return outcome(call, 10s) == "value" && outcome(limited, 10s) == "value";
}

/// Every process of the program that is not a fork server.
std::vector<int> parent_and_workers(int parent) {
    std::vector<int> found{parent};
    for (const int server : children_of(parent)) {
        const auto workers = children_of(server);
        found.insert(found.end(), workers.begin(), workers.end());
    }
    return found;
}

bool all_stopped(const std::vector<int>& pids) {
    return std::all_of(pids.begin(), pids.end(), [](int pid) { return state_of(pid) == 'T'; });
}

}  // namespace

TEST_CASE("Ctrl-Z that does not stop the parent does not stop its pool", "[crash][pool]") {
    const mp::StartMethod method = every_method();
    // without a shell that could continue it, or with an own mind about the signal
    const std::string why = GENERATE("orphaned group", "ignored", "handled", "blocked");
    INFO("start method " << mp::to_string(method) << ", " << why);
    Watch watch;
    ChildProgram program([method, why] {
        const auto run = [&] {
            mp::Pool<> pool({.processes = 2, .start_method = method});
            if (!answers(pool)) {
                return 1;
            }
            if (why == "ignored") {
                std::signal(SIGTSTP, SIG_IGN);
            } else if (why == "handled") {
                std::signal(SIGTSTP, [](int) {});
            } else if (why == "blocked") {
                sigset_t set;
                sigemptyset(&set);
                sigaddset(&set, SIGTSTP);
                ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
            }
            ::kill(0, SIGTSTP);
            std::this_thread::sleep_for(300ms);
            const bool good = answers(pool);
            pool.terminate();
            pool.join();
            return good ? 0 : 2;
        };
        if (why != "orphaned group") {
            return run();
        }
        const pid_t leader = ::fork();  // the caller leads a group and may have no new session
        if (leader == 0) {
            ::setsid();
            ::alarm(static_cast<unsigned>(4 * patience.count()));
            ::_exit(run());
        }
        int status = -1;
        ::waitpid(leader, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
    });
    const auto code = program.wait(2 * patience);
    REQUIRE(code);
    CHECK(*code == 0);
}

TEST_CASE("A pool stops with its parent and goes on when the parent alone is continued",
          "[crash][pool]") {
    const mp::StartMethod method = every_method();
    const bool by_terminal = GENERATE(true, false);
    INFO("start method " << mp::to_string(method) << ", by the terminal " << by_terminal);
    Watch watch;
    Board board;
    const BoardRef ref = board.ref();
    ChildProgram program([ref, method] {
        mp::Pool<> pool({.processes = 2, .start_method = method});
        std::vector<BoardRef> all(2, ref);
        (void)pool.map(wait_at_gate, all, {.chunksize = 1});
        const bool good = answers(pool);
        pool.terminate();
        pool.join();
        return good ? 0 : 1;
    });
    REQUIRE(board.reaches(arrivals, 2));
    const std::vector<int> pids = parent_and_workers(program.pid());
    REQUIRE(pids.size() >= 3);
    for (int round = 0; round < 3; ++round) {
        if (!by_terminal) {
            signal_to(program.pid(), SIGSTOP);
        }
        program.signal_group(SIGTSTP);
        CHECK(eventually([&] { return all_stopped(pids); }));
        std::this_thread::sleep_for(100ms);
        CHECK(all_stopped(pids));
        signal_to(program.pid(), SIGCONT);
        CHECK(eventually([&] {
            return std::none_of(pids.begin(), pids.end(),
                                [](int pid) { return all_stopped({pid}); });
        }));
    }
    board[gate] = 1;
    const auto code = program.wait();
    REQUIRE(code);
    CHECK(*code == 0);
}
