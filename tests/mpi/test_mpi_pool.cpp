// SPDX-License-Identifier: BSL-1.0
// The same bodies run on a Pool of this machine and on the pool of an MPI program.
//
// usage: mpirun ... test_mpi direct|hybrid|FAULT [CATCH2-ARGUMENT...]
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <multiprocessing/mpi.hpp>

#include "pool/pool_tools.hpp"
#include "support/session.hpp"

namespace {

using namespace pool_test;

mp::mpi::Pool* shared_pool = nullptr;  // in rank 0
int ranks = 1;
bool hybrid = false;

/// Whether a task that misbehaves ends a process that is replaced.
bool replaceable() {
    return hybrid || ranks == 1;
}

/// Runs the body with the pool of the MPI program and, where there is no other rank, with one of
/// this machine.
template <class Body>
void on_both_pools(Body body) {
    const Watch watch;
    SECTION("mpi::Pool") {
        body(*shared_pool);
    }
    if (ranks == 1) {
        SECTION("Pool") {
            mp::Pool<> pool({.processes = 2, .start_method = mp::StartMethod::spawn});
            body(pool);
        }
    }
}

struct TwoTexts : std::runtime_error {
    explicit TwoTexts(const std::string& text) : std::runtime_error(text) {}
};
const bool known = mp::register_exception<TwoTexts>();

std::string initialized_as = "nothing";
std::string initializer_text() {
    return initialized_as;
}
std::string repeat(const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i)
        all += text;
    return all;
}
int throw_two(int x) {
    if (x % 3 == 2)
        throw TwoTexts("item " + std::to_string(x));
    return x;
}
void nothing(int x) {
    if (x == 7)
        throw std::out_of_range("seven");
}
std::vector<double> doubled(std::vector<double> values) {
    for (double& value : values)
        value *= 2;
    return values;
}
std::vector<char> same_bytes(std::vector<char> bytes) {
    return bytes;
}
int sleep_for_ms(int ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    return ms;
}
std::string slow_in_rank_1(int) {
    const std::string name = mp::detail::this_process().name;
    std::this_thread::sleep_for(name == "MpiRank-1" ? 20ms : 1ms);
    return name;
}
/// Dies, and succeeds when that was done before.
int die_once(const std::string& mark) {
    if (::access(mark.c_str(), F_OK) == 0)
        return 1;
    std::ofstream{mark} << "died";
    std::_Exit(3);
}
int die(int how) {
    if (how == 1)
        std::abort();
    std::_Exit(how);
}

}  // namespace

TEST_CASE("apply, map and starmap give what the function gives, in order", "[mpi]") {
    on_both_pools([](auto& pool) {
        CHECK(pool.apply(multiply, {6, 7}) == 42);
        CHECK(pool.map(square, numbers(1000)) == serial_squares(1000));
        CHECK(pool.map(square, numbers(1000), {.chunksize = 1}) == serial_squares(1000));
        CHECK(pool.map(square, numbers(10), {.chunksize = 100}) == serial_squares(10));
        CHECK(pool.map(square, std::vector<int>{}).empty());
        CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
        CHECK(pool.starmap(repeat, {{"ab", 2}, {"c", 3}}) ==
              std::vector<std::string>{"abab", "ccc"});
    });
}

TEST_CASE("asynchronous calls give results and call back before they are ready", "[mpi]") {
    on_both_pools([](auto& pool) {
        std::atomic<int> given{0};
        std::vector<mp::AsyncResult<int>> results;
        for (int i = 0; i < 500; ++i)
            results.push_back(pool.apply_async(square, {i}, {.callback = [&](int) { ++given; }}));
        for (int i = 0; i < 500; ++i)
            REQUIRE(results[static_cast<std::size_t>(i)].get(patience) == i * i);
        CHECK(given == 500);
        CHECK(pool.map_async(square, numbers(100)).get(patience) == serial_squares(100));
        std::atomic<bool> failed{false};
        const auto bad = pool.apply_async(
            throw_two, {2}, {.error_callback = [&](std::exception_ptr) { failed = true; }});
        bad.wait(patience);
        CHECK(failed);
        CHECK_FALSE(bad.successful());
        // a callback that makes a call of its own
        std::atomic<int> nested{0};
        pool.apply_async(square, {3}, {.callback = [&](int) { nested = pool.apply(square, {4}); }})
            .wait(patience);
        CHECK(nested == 16);
    });
}

TEST_CASE("a callback runs although nobody waits", "[mpi]") {
    on_both_pools([](auto& pool) {
        std::atomic<int> given{0};
        const auto result = pool.apply_async(square, {5}, {.callback = [&](int r) { given = r; }});
        CHECK(eventually([&] { return given == 25; }));
    });
}

TEST_CASE("a callback that throws is logged, and its call is done", "[mpi]") {
    on_both_pools([](auto& pool) {
        const auto result = pool.apply_async(
            square, {5}, {.callback = [](int) { throw std::runtime_error("enough"); }});
        CHECK(result.get(patience) == 25);
        CHECK(pool.map(square, numbers(20)) == serial_squares(20));
    });
}

TEST_CASE("exceptions arrive with their type, and the other items are done", "[mpi]") {
    on_both_pools([](auto& pool) {
        CHECK_THROWS_AS(pool.apply(throw_two, {5}), TwoTexts);
        CHECK_THROWS_WITH(pool.map(throw_two, numbers(100), {.chunksize = 7}), "item 2");
        CHECK_THROWS_AS(pool.map(nothing, numbers(10)), std::out_of_range);
        CHECK_NOTHROW(pool.map(nothing, numbers(7)));
        try {
            pool.apply(fail_on_odd, {1});
            FAIL("nothing was thrown");
        } catch (const mp::RemoteException& error) {
            CHECK(error.type_name() == "std::invalid_argument");
        }
        auto results = pool.imap(throw_two, numbers(6));
        CHECK(outcomes(results, 10) ==
              std::vector<std::string>{"0", "1", "item 2", "3", "4", "item 5"});
    });
}

TEST_CASE("imap reads endless input no further than its buffer", "[mpi]") {
    on_both_pools([](auto& pool) {
        int drawn = 0, taken = 0;
        auto endless = std::views::iota(0) | std::views::transform([&](int i) {
                           drawn = std::max(drawn, i + 1);
                           return i;
                       });
        for (const int r : pool.imap(square, endless, {.chunksize = 4, .buffersize = 40})) {
            REQUIRE(r == taken * taken);
            ++taken;
            REQUIRE(drawn <= taken + 40);
            if (taken == 2000)
                break;
        }
        std::vector<int> all;
        for (const int r : pool.imap_unordered(square, numbers(500), {.chunksize = 3}))
            all.push_back(r);
        std::ranges::sort(all);
        CHECK(all == serial_squares(500));
    });
}

TEST_CASE("what an abandoned imap has not begun is not done", "[mpi]") {
    on_both_pools([](auto& pool) {
        for (const int r :
             pool.imap(sleep_for_ms, std::vector<int>(1000, 20), {.buffersize = 1000})) {
            CHECK(r == 20);
            break;
        }
        const auto begin = std::chrono::steady_clock::now();
        CHECK(pool.apply(square, {3}) == 9);
        CHECK(std::chrono::steady_clock::now() - begin < 4s);  // of 20 s, or a third of that
    });
}

TEST_CASE("large arguments and results travel in pieces", "[mpi]") {
    on_both_pools([](auto& pool) {
        std::vector<double> large(300'001);
        std::iota(large.begin(), large.end(), 0.5);
        std::vector<double> expected = large;
        for (double& value : expected)
            value *= 2;
        CHECK(pool.apply(doubled, {large}) == expected);
        const auto both = pool.map(doubled, std::vector<std::vector<double>>(5, large));
        CHECK(std::ranges::all_of(both, [&](const auto& one) { return one == expected; }));
    });
}

TEST_CASE("what is wrong with a call is said at once", "[mpi]") {
    on_both_pools([](auto& pool) {
        CHECK_THROWS_AS(pool.map(square, numbers(3), {.chunksize = 0}), mp::ValueError);
        CHECK_THROWS_AS(pool.imap(square, numbers(3), {.buffersize = 0}), mp::ValueError);
        CHECK_THROWS_AS(pool.join(), mp::ValueError);
        // no code: it is in no image
        static int data = 0;
        CHECK_THROWS_AS(pool.apply(reinterpret_cast<int (*)(int)>(&data), {1}), mp::PicklingError);
        // code of a library that the workers have not loaded
        void* const library = ::dlopen(MULTIPROCESSING_TEST_STRANGER, RTLD_NOW);
        REQUIRE(library != nullptr);
        const auto foreign = reinterpret_cast<int (*)(int)>(::dlsym(library, "stranger"));
        CHECK_THROWS_AS(pool.apply(foreign, {1}), mp::UnpicklingError);
        CHECK(pool.apply(square, {3}) == 9);
    });
}

TEST_CASE("cancel and timeout give a call up", "[mpi]") {
    on_both_pools([](auto& pool) {
        CHECK_THROWS_AS(pool.apply(sleep_for_ms, {300}, {.timeout = 50ms}), mp::TimeoutError);
        const auto cancelled = pool.apply_async(sleep_for_ms, {300});
        CHECK(cancelled.cancel());
        CHECK_THROWS_AS(cancelled.get(), mp::CancelledError);
        CHECK_FALSE(cancelled.cancel());
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
        CHECK(pool.map(sleep_for_ms, {1, 2, 3}, {.timeout = 10s}) == std::vector<int>{1, 2, 3});
    });
}

TEST_CASE("the initializer ran in every process that carries out calls", "[mpi]") {
    const Watch watch;
    for (int i = 0; i < 20; ++i)
        CHECK(shared_pool->apply(initializer_text) == "ready");
}

TEST_CASE("any thread may call", "[mpi]") {
    on_both_pools([](auto& pool) {
        std::atomic<int> good{0};
        std::vector<std::thread> callers;
        for (int t = 0; t < 4; ++t)
            callers.emplace_back([&, t] {
                for (int i = 0; i < 50; ++i)
                    good += pool.apply(multiply, {t, i}) == t * i ? 1 : 0;
                good += pool.map(square, numbers(300)) == serial_squares(300) ? 1 : 0;
            });
        for (std::thread& caller : callers)
            caller.join();
        CHECK(good == 4 * 51);
    });
}

TEST_CASE("a slow rank gets less", "[mpi]") {
    if (ranks < 3 || hybrid)
        return;
    const Watch watch;
    std::map<std::string, int> done;
    for (const std::string& name : shared_pool->map(slow_in_rank_1, numbers(120), {.chunksize = 1}))
        ++done[name];
    CHECK(static_cast<int>(done.size()) == ranks - 1);
    for (const auto& [name, count] : done)
        if (name != "MpiRank-1")
            CHECK(count > done["MpiRank-1"]);  // 20 times as many, were CPUs not shared
}

TEST_CASE("a task that crashes costs a worker where ranks have workers", "[mpi]") {
    if (!replaceable())
        return;  // it ends the MPI program: tests/mpi/test_faults.sh
    const Watch watch;
    try {
        shared_pool->apply(die, {1});
        FAIL("nothing was thrown");
    } catch (const mp::WorkerLostError& error) {
        CHECK(error.exitcode() == -SIGABRT);
    }
    CHECK(outcome(shared_pool->apply_async(die, {3}, {.retries = 1})) == "WorkerLostError");
    const std::string mark = "/tmp/multiprocessing-mpi-" + std::to_string(::getpid());
    CHECK(shared_pool->apply(die_once, {mark}, {.retries = 1}) == 1);
    ::unlink(mark.c_str());
    CHECK(shared_pool->map(square, numbers(100)) == serial_squares(100));
}

namespace {

int fail_initializer_in_rank_1() {
    if (mp::detail::this_process().name == "MpiRank-1")
        throw TwoTexts("no licence");
    return 0;
}

/// The exit code of a child that does this; -1 if it ended otherwise.
template <class Work>
int in_fork(Work work) {
    const pid_t child = ::fork();
    if (child == 0)
        work();
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
/// Copies of rank 0, and of a rank that works, use no pool and end nothing but themselves.
bool forks_end_alone(mp::mpi::Pool& pool) {
    const bool refused = in_fork([&] {
                             const bool right =
                                 outcome_of([&] { pool.apply(square, {1}); }) == "ValueError";
                             std::_Exit(right ? 7 : 8);
                         }) == 7;
    const bool ended = in_fork([] { std::exit(6); }) == 6;
    const auto task = [] { return in_fork([] { std::exit(5); }); };
    return refused && ended && pool.apply(task) == 5 && pool.apply(square, {2}) == 4;
}
/// A callback that waits for 20 s of calls does not keep the pool from ending.
void terminate_in_callback(mp::mpi::Pool& pool) {
    std::atomic<bool> inside{false};
    const auto outer =
        pool.apply_async(square, {1}, {.callback = [&](int) {
                             inside = true;
                             pool.map(sleep_for_ms, std::vector<int>(1000, 20), {.chunksize = 1});
                         }});
    eventually([&] { return inside.load(); });
    std::this_thread::sleep_for(100ms);
    pool.terminate();
    pool.join();
}
const char* const initialized_here = "MULTIPROCESSING_TEST_MARK";
void mark_rank_0() {
    if (std::getenv("OMPI_COMM_WORLD_RANK") == std::string("0"))
        std::ofstream{std::getenv(initialized_here)} << "initialized";
}

/// What goes wrong in the whole program; each is the first argument. @returns the status of main
int run_fault(const std::string& fault, int argc, char** argv) {
    const test_support::deadline limit(fault == "huge" ? 300s : 100s, fault);
    if (fault == "initialized") {
        const boost::mpi::environment environment;
        try {
            return mp::mpi::run(argc, argv, [](mp::mpi::Pool&) {});
        } catch (const mp::ValueError& error) {
            std::cerr << error.what() << '\n';
            return 3;
        }
    }
    if (fault == "outlives") {  // MPI has ended when the call is asked again
        std::optional<mp::AsyncResult<int>> left;
        const int status = mp::mpi::run(
            argc, argv, [&](mp::mpi::Pool& pool) { left = pool.apply_async(square, {3}); });
        return status == 0 && (!left || !left->cancel()) ? 0 : 4;
    }
    mp::PoolOptions options;
    if (fault == "initializer")
        options.initializer = fail_initializer_in_rank_1;
    if (fault == "initializer_hybrid") {
        options.processes = 2;
        options.initializer = mark_rank_0;
        ::setenv(initialized_here,
                 ("/tmp/multiprocessing-mpi-" + std::to_string(::getpid())).c_str(), 1);
    }
    return mp::mpi::run(
        argc, argv,
        [&](mp::mpi::Pool& pool) {
            if (fault == "initializer") {
                const bool right =
                    outcome_of([&] { pool.map(sleep_for_ms, numbers(50)); }) == "no licence" &&
                    outcome_of([&] { pool.apply(square, {1}); }) == "no licence";
                return right ? 0 : 4;
            }
            if (fault == "initializer_hybrid") {
                const bool right = pool.apply(square, {2}) == 4;
                return ::unlink(std::getenv(initialized_here)) != 0 && right ? 0 : 4;
            }
            if (fault == "fork_returns") {
                if (::fork() == 0)
                    return 0;
                ::wait(nullptr);
                return pool.apply(square, {2}) == 4 ? 0 : 4;
            }
            if (fault == "fork")
                return forks_end_alone(pool) ? 0 : 4;
            if (fault == "terminate_in_callback") {
                const auto begin = std::chrono::steady_clock::now();
                terminate_in_callback(pool);
                return std::chrono::steady_clock::now() - begin < 10s ? 0 : 4;
            }
            if (fault == "exit")
                pool.apply([] { std::exit(0); });
            if (fault == "quick_exit")
                pool.apply(die, {0});
            if (fault == "abort")
                pool.apply(die, {1});
            if (fault == "throw")
                throw TwoTexts("rank 0 has enough");
            if (fault == "throw_busy") {
                const auto left = pool.map_async(sleep_for_ms, std::vector<int>(1000, 20));
                throw TwoTexts("rank 0 has enough");
            }
            if (fault == "status")
                return 5;
            if (fault == "huge") {  // by hand: takes 16 GiB of memory
                std::vector<char> bytes((std::size_t{9} << 30) / 4 + 1, 'a');
                bytes.back() = 'z';
                return pool.apply(same_bytes, {bytes}) == bytes ? 0 : 4;
            }
            if (fault == "idle") {  // the CPU time of an idle program
                std::this_thread::sleep_for(2s);
                return pool.apply(square, {2}) == 4 ? 0 : 4;
            }
            if (fault == "late_and_gone") {
                const auto long_one = pool.apply_async(sleep_for_ms, {600});
                pool.apply(sleep_for_ms, {20});
                std::this_thread::sleep_for(200ms);  // that rank has nothing to do, and looks less
                const auto late = pool.apply_async(square, {2}, {.timeout = 100ms});
                return 0;  // it is told to stop before it begins, the other one goes on
            }
            if (fault == "close") {
                const auto result = pool.map_async(square, numbers(100));
                auto drawn_later = pool.imap(square, numbers(300), {.buffersize = 8});
                pool.close();
                const bool refused = outcome_of([&] { pool.apply(square, {1}); }) == "ValueError";
                std::vector<int> drawn;  // an imap made before close() goes on to its end
                for (const int r : drawn_later)
                    drawn.push_back(r);
                pool.join();
                return refused && drawn == serial_squares(300) &&
                               result.get() == serial_squares(100)
                           ? 0
                           : 4;
            }
            return 0;
        },
        options);
}

}  // namespace

int main(int argc, char** argv) {
    mp::freeze_support();
    if (argc < 2)
        return EXIT_FAILURE;
    const std::string mode = argv[1];
    if (mode != "huge")
        mp::detail::mailbox::piece = 100'000;
    if (mode != "direct" && mode != "hybrid")
        return run_fault(mode, argc, argv);
    if (const char* const size = std::getenv("OMPI_COMM_WORLD_SIZE"))
        ranks = std::atoi(size);
    mp::PoolOptions options;
    options.initializer = [] { initialized_as = "ready"; };
    hybrid = mode == "hybrid";
    if (hybrid)
        options.processes = 2;
    else if (ranks == 1)
        options.processes = 3;
    argv[1] = argv[0];
    return mp::mpi::run(
        argc, argv,
        [&](mp::mpi::Pool& pool) {
            shared_pool = &pool;
            // MPI connects ranks when they first talk to each other; that is no leak of a test.
            pool.map(sleep_for_ms, std::vector<int>(static_cast<std::size_t>(4 * ranks), 5),
                     {.chunksize = 1});
            pool.map(doubled, std::vector<std::vector<double>>(static_cast<std::size_t>(2 * ranks),
                                                               std::vector<double>(100'000)));
            return test_support::run_tests(argc - 1, argv + 1, nullptr);
        },
        options);
}
