// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestPoolWorkerLifetime, TestInitializers,
// TestStdinBadfiledescriptor, TestPoolNotLeakOnFailure and the recycling tests of the executors.
#include "pool/pool_faults.hpp"

#include <multiprocessing/process.hpp>

using namespace pool_test;

namespace {

int initialized = 0;

void initialize(BoardRef board) {
    cells(board)[arrivals].fetch_add(1);
    initialized = ::getpid();
}

/// The pid if the initializer ran in this process before, else 0.
int initialized_pid(int) {
    return initialized == ::getpid() ? ::getpid() : 0;
}

int pid_for(int) {
    return ::getpid();
}

void throwing_initializer(BoardRef board) {
    cells(board)[arrivals].fetch_add(1);
    throw std::logic_error("the initializer failed");
}

void use_a_pool(BoardRef board) {
    mp::Pool<> pool(2);
    const auto list = pool.map(square, numbers(10));
    cells(board)[finished] = list == serial_squares(10) ? 1 : 2;
}

int keep_pool_until_exit(mp::StartMethod method) {
    static std::optional<mp::Pool<>> kept;
    kept.emplace(mp::PoolOptions{.processes = 2, .start_method = method});
    return kept->map(square, numbers(10)) == serial_squares(10) ? 0 : 1;
}

}  // namespace

TEST_CASE(
    "_TestPoolWorkerLifetime.test_pool_worker_lifetime: workers are replaced after their "
    "number of tasks",
    "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    mp::Pool<> pool({.processes = 3, .maxtasksperchild = 10, .start_method = method});
    const std::set<int> first = worker_pids(pool, 3);
    REQUIRE(first.size() == 3);
    std::vector<mp::AsyncResult<int>> results;
    for (int i = 0; i < 100; ++i) {
        results.push_back(pool.apply_async(square, {i}));
    }
    for (int i = 0; i < 100; ++i) {
        REQUIRE(results[static_cast<std::size_t>(i)].get(patience) == i * i);
    }
    CHECK(eventually([&] { return std::any_of(first.begin(), first.end(), gone); }));
    const std::set<int> second = worker_pids(pool, 3);
    CHECK(second.size() == 3);
    CHECK(second != first);
}

TEST_CASE(
    "_TestPoolWorkerLifetime.test_pool_worker_lifetime_early_close: close while recycling "
    "after each task loses nothing",
    "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    mp::Pool<> pool({.processes = 3, .maxtasksperchild = 1, .start_method = method});
    std::vector<mp::AsyncResult<int>> results;
    for (int i = 0; i < 20; ++i) {
        results.push_back(pool.apply_async(square, {i}));
    }
    pool.close();
    pool.join();
    for (int i = 0; i < 20; ++i) {
        CHECK(results[static_cast<std::size_t>(i)].get(0ms) == i * i);
    }
}

TEST_CASE("_TestPoolWorkerLifetime.test_pool_maxtasksperchild_invalid: below 1 is refused",
          "[parity][pool]") {
    Watch watch;
    CHECK_THROWS_AS(mp::Pool<>({.processes = 3, .maxtasksperchild = 0}), mp::ValueError);
    CHECK_THROWS_AS(mp::Pool<>({.processes = 3, .maxtasksperchild = -1}), mp::ValueError);
}

TEST_CASE(
    "_TestPoolWorkerLifetime.test_worker_finalization_via_atexit_handler_of_multiprocessing: "
    "a program that never closes its pool ends with 0",
    "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    const BoardRef ref = board.ref();
    ChildProgram program([ref, method] {
        const int code = keep_pool_until_exit(method);
        std::size_t n = items;
        for (const int pid : descendants_of(::getpid())) {
            cells(ref)[n++] = pid;
        }
        std::exit(code);  // destroys the pool among the static objects
        return 99;
    });
    const auto code = program.wait();
    REQUIRE(code);
    CHECK(*code == 0);
    std::vector<int> pids;
    for (std::size_t n = items; board[n] != 0; ++n) {
        pids.push_back(static_cast<int>(board[n].load()));
    }
    CHECK(pids.size() >= 2);
    CHECK(eventually([&] { return all_gone(pids); }));
}

TEST_CASE("TestInitializers.test_pool_initializer: it runs once in each worker before its tasks",
          "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    mp::Pool<> pool({.processes = 2,
                     .initializer = mp::partial(initialize, board.ref()),
                     .start_method = method});
    for (const int pid : pool.map(initialized_pid, numbers(40), {.chunksize = 1})) {
        REQUIRE(pid != 0);
    }
    CHECK(initialized == 0);
    CHECK(worker_pids(pool, 2).size() == 2);
    CHECK(board[arrivals] == 2);
}

TEST_CASE("InitializerMixin.test_initializer: a replacement runs the initializer too",
          "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    mp::Pool<> pool({.processes = 1,
                     .initializer = mp::partial(initialize, board.ref()),
                     .maxtasksperchild = 2,
                     .start_method = method});
    std::set<int> pids;
    for (int i = 0; i < 6; ++i) {
        pids.insert(pool.apply(initialized_pid, {0}));
    }
    CHECK(pids.count(0) == 0);
    CHECK(pids.size() == 3);
    CHECK(board[arrivals] >= 3);
}

TEST_CASE("FailingInitializerMixin.test_initializer: calls fail with the initializer's error",
          "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    const auto fail = [&] {
        mp::Pool<> pool({.processes = 2,
                         .initializer = mp::partial(throwing_initializer, board.ref()),
                         .start_method = method});
        const auto submit = [&] { return pool.apply(square, {2}); };
        CHECK(outcome_of(submit) == "the initializer failed");
        CHECK_THROWS_AS(pool.map(square, numbers(10)), std::logic_error);
        CHECK(outcome_of([&] { return pool.map_async(square, numbers(10)).get(); }) ==
              "the initializer failed");
        try {
            (void)submit();
            FAIL("nothing was thrown");
        } catch (const mp::RemoteException& error) {  // it tells where that happened
            CHECK(error.type_name() == "std::logic_error");
            CHECK(error.pid() != ::getpid());
        }
    };
    fail();  // from now on the process has all that the library keeps for its life
    const std::size_t descriptors = open_descriptors();
    fail();
    CHECK(open_descriptors() == descriptors);
    CHECK(board[arrivals] >= 2);
}

TEST_CASE("TestStdinBadfiledescriptor.test_pool_in_process: a pool used inside a process",
          "[parity][pool]") {
    // the pool's start method is the one by which its process was started
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    mp::Process process(use_a_pool, {board.ref()}, {.start_method = method});
    process.start();
    CHECK(process.join(patience));
    CHECK(process.exitcode() == 0);
    CHECK(board[finished] == 1);
}

TEST_CASE(
    "TestPoolNotLeakOnFailure.test_release_unused_processes: a pool that cannot be made "
    "leaves nothing behind",
    "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    {
        mp::Pool<> warm({.processes = 1, .start_method = method});
        CHECK(warm.apply(square, {2}) == 4);
    }
    const std::size_t descriptors = open_descriptors();
    const std::size_t children = descendants_of(::getpid()).size();
    rlimit before = {};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit tight = before;
    tight.rlim_cur = descriptors + 4;
    ::setrlimit(RLIMIT_NOFILE, &tight);
    const std::string told = outcome_of([&] {
        mp::Pool<> pool({.processes = 16, .start_method = method});
        pool.map(square, numbers(100));
    });
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(told == "std::system_error");
    CHECK(open_descriptors() == descriptors);
    CHECK(eventually([&] { return descendants_of(::getpid()).size() == children; }));
}

TEST_CASE("MiscTestCase.test_large_pool: 200 workers map 1000 items", "[parity][pool]") {
    Watch watch(4 * patience);
    mp::Pool<> pool(200);
    CHECK(pool.map(square, numbers(1000)) == serial_squares(1000));
    pool.close();
    pool.join();
}

TEST_CASE("ProcessPoolExecutorTest.test_max_tasks_per_child: the pid changes after 3 tasks",
          "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    mp::Pool<> pool({.processes = 1, .maxtasksperchild = 3, .start_method = method});
    const int first = pool.apply(own_pid);
    CHECK(pool.apply(own_pid) == first);
    CHECK(pool.apply(own_pid) == first);
    CHECK(pool.apply(own_pid) != first);
    CHECK(eventually([&] { return gone(first); }));
}

TEST_CASE("A chunk is one task of maxtasksperchild, however many bytes it has", "[pool]") {
    Watch watch;
    mp::Pool<> pool({.processes = 1, .maxtasksperchild = 1});
    const std::vector<int> pids = pool.map(pid_for, numbers(200'000), {.chunksize = 100'000});
    CHECK(std::set<int>(pids.begin(), pids.end()).size() == 2);
    CHECK(std::count(pids.begin(), pids.end(), pids.front()) == 100'000);
}

TEST_CASE(
    "max_tasks_per_child_pending_tasks_gh115634: a backlog while workers recycle does not "
    "deadlock",
    "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    mp::Pool<> pool({.processes = 1, .maxtasksperchild = 2, .start_method = method});
    std::vector<mp::AsyncResult<int>> results;
    for (int i = 0; i < 31; ++i) {
        results.push_back(pool.apply_async(square, {i}));
    }
    for (int i = 0; i < 31; ++i) {
        REQUIRE(results[static_cast<std::size_t>(i)].get(patience) == i * i);
    }
}

TEST_CASE("gc_during_max_tasks_worker_exit_gh152967: a pool dropped while its last worker recycles",
          "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    std::vector<mp::AsyncResult<int>> results;
    {
        mp::Pool<> pool({.processes = 1, .maxtasksperchild = 1, .start_method = method});
        for (int i = 0; i < 10; ++i) {
            results.push_back(pool.apply_async(square, {i}));
        }
        CHECK(outcome(results.front()) == "value");
    }
    for (auto& result : results) {
        const std::string told = outcome(result, 0ms);
        CHECK((told == "value" || told == "CancelledError"));
    }
}
