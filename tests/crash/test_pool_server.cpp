// SPDX-License-Identifier: BSL-1.0
// The death of the process that starts the workers, and of the program that owns the pool.
#include <atomic>
#include <cstdlib>

#include "pool/pool_faults.hpp"

using namespace pool_test;

namespace {

/// Blocks every signal that can be blocked, then waits.
int wait_unkindly(BoardRef board) {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    return wait_at_gate(board);
}

/// Starts a child in the background, then waits.
int wait_with_child(BoardRef board) {
    const int child = ::fork();
    if (child == 0) {
        for (;;) {
            ::pause();
        }
    }
    cells(board)[items].store(child);
    return wait_at_gate(board);
}

bool is_process_error(const std::string& name) {
    return name == "ProcessError" || name == "WorkerLostError";
}

enum class Task { plain, unkind, with_child };

/// A program with a busy pool, to be killed.
int busy_program(BoardRef board, mp::StartMethod method, Task task) {
    mp::Pool<> pool({.processes = 2, .start_method = method});
    const auto function = task == Task::plain    ? wait_at_gate
                          : task == Task::unkind ? wait_unkindly
                                                 : wait_with_child;
    const std::vector<BoardRef> all(8, board);
    (void)pool.map(function, all, {.chunksize = 1});
    return 0;
}

}  // namespace

TEST_CASE("The server's death fails every pending call and every later one, and nothing hangs",
          "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        const std::set<int> workers = worker_pids(pool, 2);
        const int server = pool.apply(parent_pid);
        REQUIRE(server != ::getpid());
        std::vector<mp::AsyncResult<int>> results;
        for (int i = 0; i < 8; ++i) {
            results.push_back(pool.apply_async(wait_at_gate, {board.ref()}));
        }
        auto list = pool.map_async(square, numbers(100));
        auto it = pool.imap(square, numbers(100));
        REQUIRE(board.reaches(arrivals, 2));
        signal_to(server, SIGKILL);
        for (auto& result : results) {
            CHECK(is_process_error(outcome(result)));
        }
        CHECK(is_process_error(outcome(list)));
        const auto told = outcomes(it, 100);
        REQUIRE_FALSE(told.empty());
        CHECK(is_process_error(told.back()));
        CHECK(is_process_error(outcome_of([&] { return pool.apply(square, {2}); })));
        CHECK(eventually([&] { return all_gone(workers); }));
        pool.terminate();
        pool.join();
    });
}

TEST_CASE("close and join return after the server's death", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        signal_to(pool.apply(parent_pid), SIGKILL);
        pool.close();
        pool.join();
        SUCCEED();
    });
}

TEST_CASE("A pool of a program whose other pool lost its server goes on", "[crash][pool]") {
    Watch watch;
    mp::Pool<> first({.processes = 1, .start_method = mp::StartMethod::fork});
    mp::Pool<> second({.processes = 1, .start_method = mp::StartMethod::fork});
    signal_to(first.apply(parent_pid), SIGKILL);
    // a worker may still answer before its server's death reaches it
    CHECK(eventually(
        [&] { return is_process_error(outcome_of([&] { return first.apply(square, {2}); })); }));
    CHECK(second.map(square, numbers(20)) == serial_squares(20));
    mp::Pool<> third(1);
    CHECK(third.map(square, numbers(20)) == serial_squares(20));
}

TEST_CASE("A server that is stopped for a while delays and loses nothing", "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        const int server = pool.apply(parent_pid);
        signal_to(server, SIGSTOP);
        REQUIRE(eventually([&] { return state_of(server) == 'T'; }));
        auto lost = pool.apply_async(square_or_die, {Mortal{1, Death::exit_now_3}});
        auto behind = pool.apply_async(square, {4});
        CHECK_FALSE(behind.wait(50ms));
        signal_to(server, SIGCONT);
        CHECK(outcome(lost) == "WorkerLostError");
        CHECK(behind.get(patience) == 16);
    });
}

TEST_CASE("No process survives a parent killed by SIGKILL", "[crash][pool]") {
    const mp::StartMethod method = every_method();
    const Task task = GENERATE(Task::plain, Task::unkind, Task::with_child);
    INFO("start method " << mp::to_string(method) << ", task " << static_cast<int>(task));
    Watch watch;
    Board board;
    const BoardRef ref = board.ref();
    ChildProgram program([=] { return busy_program(ref, method, task); });
    REQUIRE(board.reaches(arrivals, 2));
    std::vector<int> below = descendants_of(program.pid());
    CHECK(below.size() >= 3);
    signal_to(program.pid(), SIGKILL);
    CHECK(program.wait() == -SIGKILL);
    CHECK(eventually([&] { return all_gone(below); }));
    CHECK(board[finished] == 0);
    for (const int pid : below) {  // after a failure, be clean
        if (!gone(pid)) {
            signal_to(pid, SIGKILL);
        }
    }
}

TEST_CASE("No process survives a parent killed while its workers are stopped", "[crash][pool]") {
    const mp::StartMethod method = every_method();
    const bool server_too = GENERATE(false, true);
    INFO("start method " << mp::to_string(method) << ", server stopped too: " << server_too);
    Watch watch;
    Board board;
    const BoardRef ref = board.ref();
    ChildProgram program([=] { return busy_program(ref, method, Task::plain); });
    REQUIRE(board.reaches(arrivals, 2));
    const std::vector<int> servers = children_of(program.pid());
    const std::vector<int> below = descendants_of(program.pid());
    for (const int pid : below) {
        const bool server = std::count(servers.begin(), servers.end(), pid) != 0;
        if (!server) {
            signal_to(pid, SIGSTOP);
            REQUIRE(eventually([&] { return state_of(pid) == 'T'; }));
        }
    }
    if (server_too) {  // the kernel continues it, so that it can end everything
        for (const int pid : servers) {
            signal_to(pid, SIGSTOP);
            REQUIRE(eventually([&] { return state_of(pid) == 'T'; }));
        }
    }
    signal_to(program.pid(), SIGKILL);
    CHECK(program.wait() == -SIGKILL);
    CHECK(eventually([&] { return all_gone(below); }));
    for (const int pid : below) {
        if (!gone(pid)) {
            signal_to(pid, SIGKILL);
        }
    }
}

TEST_CASE("No process survives a parent that is killed while it makes pools", "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    for (long round = 0; round < scaled(15); ++round) {
        Watch watch;
        Board board;
        const BoardRef ref = board.ref();
        ChildProgram program([ref, method] {
            for (;;) {
                cells(ref)[arrivals].fetch_add(1);
                mp::Pool<> pool({.processes = 2, .start_method = method});
                if (pool.map(square, numbers(4)) != serial_squares(4)) {
                    return 1;
                }
            }
        });
        REQUIRE(board.reaches(arrivals, 2));
        std::this_thread::sleep_for(std::chrono::microseconds(731 * round));
        const std::vector<int> below = descendants_of(program.pid());
        signal_to(program.pid(), SIGKILL);
        CHECK(program.wait() == -SIGKILL);
        CHECK(eventually([&] { return all_gone(below); }));
    }
}

namespace {

/// Whether a process that this thread starts blocks what the application blocks and nothing else.
bool starts_with_own_mask(mp::StartMethod method) {
    mp::Process process(
        [] {
            sigset_t mask;
            ::sigprocmask(SIG_BLOCK, nullptr, &mask);
            const bool right = ::sigismember(&mask, SIGUSR2) == 1 &&
                               ::sigismember(&mask, SIGTERM) == 0 &&
                               ::sigismember(&mask, SIGUSR1) == 0;
            std::exit(right ? 0 : 1);
        },
        {}, {.start_method = method});
    process.start();
    process.join();
    return process.exitcode() == 0;
}

int blocks_sigterm(int) {
    sigset_t mask;
    ::sigprocmask(SIG_BLOCK, nullptr, &mask);
    return ::sigismember(&mask, SIGTERM);
}

}  // namespace

TEST_CASE("What a task of a ThreadPool or a callback starts has the application's signal mask",
          "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    sigset_t usr2;
    ::sigemptyset(&usr2);
    ::sigaddset(&usr2, SIGUSR2);
    ::sigprocmask(SIG_BLOCK, &usr2, nullptr);
    {
        mp::ThreadPool threads(1);
        std::atomic<int> right{0};
        const auto look = [&](int) { right += starts_with_own_mask(method) ? 1 : 0; };
        CHECK(threads.apply([method] { return starts_with_own_mask(method); }));
        threads.apply_async(square, {1}, {.callback = look}).wait();
        CHECK(right == 1);
        mp::Pool<> pool({.processes = 1, .start_method = method});
        pool.apply_async(square, {1}, {.callback = look}).wait();
        CHECK(right == 2);
        // a pool that such a thread makes, what its workers do, and what its own thread starts
        CHECK(threads.apply([&] {
            mp::Pool<> inner({.processes = 1, .start_method = method});
            inner.apply_async(square, {1}, {.callback = look}).wait();
            return inner.apply(blocks_sigterm, {1});
        }) == 0);
        CHECK(right == 3);
        // what the task itself unblocks is not blocked; a server keeps the mask it was started with
        CHECK(threads.apply([method, usr2] {
            ::pthread_sigmask(SIG_UNBLOCK, &usr2, nullptr);
            return starts_with_own_mask(method);
        }) == (method == mp::StartMethod::forkserver));
    }
    ::sigprocmask(SIG_UNBLOCK, &usr2, nullptr);
}
