// SPDX-License-Identifier: BSL-1.0
// Tasks that use up or close what their worker needs, and a parent that has run out of it.
#include "pool/pool_faults.hpp"

#include <linux/close_range.h>

using namespace pool_test;

namespace {

/// Allocates until nothing is left; the limit is this worker's alone.
std::size_t allocate_all(std::size_t megabytes) {
    std::ifstream file("/proc/self/statm");
    std::size_t pages = 0;
    file >> pages;
    rlimit limit = {};
    ::getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + (megabytes << 20);
    ::setrlimit(RLIMIT_AS, &limit);
    std::vector<std::unique_ptr<std::vector<char>>> kept;
    for (;;) {
        kept.push_back(std::make_unique<std::vector<char>>(1 << 20, 'x'));
    }
    return kept.size();
}

int same(int value) {
    return value;
}

int close_everything(int value) {
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    return value;
}

int close_everything_and_open(int value) {
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    for (int i = 0; i < 20; ++i) {  // the numbers that the worker knew now mean something else
        (void)::open("/dev/null", O_RDWR);
    }
    return value;
}

int close_standard_streams(int value) {
    ::close(0);
    ::close(1);
    ::close(2);
    return value;
}

int become_true(int) {
    ::execl("/bin/true", "true", static_cast<char*>(nullptr));
    return 1;
}

int become_sleep(BoardRef board) {
    cells(board)[items].store(::getpid());
    cells(board)[arrivals].fetch_add(1);
    ::execl("/bin/sleep", "sleep", "1000", static_cast<char*>(nullptr));
    return 1;
}

int leave_a_child(BoardRef board) {
    const int child = ::fork();
    if (child == 0) {
        for (;;) {
            ::pause();
        }
    }
    const auto index = static_cast<std::size_t>(cells(board)[arrivals].fetch_add(1));
    cells(board)[items + index].store(child);
    return child;
}

std::string huge(std::size_t bytes) {
    return std::string(bytes, 'h');
}

int return_twice(int value) {
    if (::fork() == 0) {
        ::usleep(2000);
    }
    return value;
}

int throw_in_a_copy(int value) {
    if (::fork() == 0) {
        ::usleep(20'000);
        throw std::runtime_error("the program to execute is missing");
    }
    return value;
}

template <int>
std::string text_after(std::chrono::milliseconds pause) {
    std::this_thread::sleep_for(pause);
    return std::to_string(pause.count());
}

int use_all_descriptors(int value) {
    rlimit limit = {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 256;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    while (::open("/dev/null", O_RDWR) >= 0) {
    }
    return value;
}

}  // namespace

TEST_CASE("A task that runs out of memory throws std::bad_alloc in the caller", "[crash][pool]") {
    if (sanitized) {
        return;  // their shadow memory exceeds any limit
    }
    on_process_pools(1, [](auto& pool) {
        const int worker = pool.apply(own_pid);
        CHECK_THROWS_AS(pool.apply(allocate_all, {std::size_t{64}}), std::bad_alloc);
        CHECK(pool.apply(own_pid) == worker);
        CHECK(pool.map(square, numbers(100)) == serial_squares(100));
    });
}

TEST_CASE("A result that does not fit into the worker's memory fails its own call",
          "[crash][pool]") {
    if (sanitized) {
        return;
    }
    on_process_pools(1, [](auto& pool) {
        (void)outcome_of([&] { return pool.apply(allocate_all, {std::size_t{64}}); });
        const std::string told = outcome_of([&] { return pool.apply(huge, {60u << 20}); });
        CHECK((told == "std::bad_alloc" || told == "PicklingError" || told == "WorkerLostError" ||
               told == "std::system_error" || told == "value"));
        CHECK(pool.map(square, numbers(100)) == serial_squares(100));
    });
}

TEST_CASE("A task that closes every descriptor harms at most itself", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (int round = 0; round < 5; ++round) {
            const std::string told = outcome_of([&] { return pool.apply(close_everything, {1}); });
            CHECK((told == "value" || told == "WorkerLostError"));
            for (int i = 0; i < 20; ++i) {
                CHECK(outcome_of([&] { return pool.apply(square, {i}); }) == "value");
            }
            CHECK(pool.map(square, numbers(50)) == serial_squares(50));
        }
    });
}

TEST_CASE("A task that closes every descriptor and opens others does not hang the pool",
          "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        auto strange = pool.apply_async(close_everything_and_open, {1}, {.timeout = 2s});
        CHECK(outcome(strange) != "pending");
        for (int i = 0; i < 20; ++i) {
            auto result = pool.apply_async(square, {i}, {.timeout = 2s, .retries = 10});
            REQUIRE(outcome(result) != "pending");
        }
        CHECK(eventually([&] { return pool.apply(square, {3}, {.retries = 10}) == 9; }));
    });
}

TEST_CASE("A task that closes the standard streams or uses up all descriptors harms nobody",
          "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        CHECK(pool.apply(close_standard_streams, {4}) == 4);
        CHECK(pool.map(square, numbers(50)) == serial_squares(50));
        CHECK(pool.apply(use_all_descriptors, {5}) == 5);
        CHECK(pool.map(square, numbers(50)) == serial_squares(50));
        auto large = pool.apply_async(huge, {2u << 20});
        CHECK(outcome(large) != "pending");
        CHECK(pool.map(square, numbers(50)) == serial_squares(50));
    });
}

TEST_CASE("A task that becomes another program is lost when that ends", "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        auto result = pool.apply_async(become_true, {1});
        CHECK(outcome(result) == "WorkerLostError");
        try {
            (void)result.get();
        } catch (const mp::WorkerLostError& error) {
            CHECK(error.exitcode() == 0);
        }
        CHECK(pool.apply(square, {3}) == 9);
    });
}

TEST_CASE("A task that becomes a program without end is ended by limit, cancel and terminate",
          "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        auto late = pool.apply_async(become_sleep, {board.ref()}, {.timeout = 1s});
        CHECK(outcome(late) == "TimeoutError");
        CHECK(eventually([&] { return gone(static_cast<int>(board[items].load())); }));
        auto unwanted = pool.apply_async(become_sleep, {board.ref()});
        REQUIRE(board.reaches(arrivals, 2));
        (void)unwanted.cancel();
        CHECK(outcome(unwanted) == "CancelledError");
        CHECK(eventually([&] { return gone(static_cast<int>(board[items].load())); }));
        auto last = pool.apply_async(become_sleep, {board.ref()});
        REQUIRE(board.reaches(arrivals, 3));
        pool.terminate();
        pool.join();
        CHECK(gone(static_cast<int>(board[items].load())));
        CHECK(outcome(last, 0ms) == "CancelledError");
    });
}

TEST_CASE("Children that a task leaves behind end with their worker", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        std::vector<int> children;
        for (int i = 0; i < 6; ++i) {
            children.push_back(pool.apply(leave_a_child, {board.ref()}));
        }
        CHECK(std::none_of(children.begin(), children.end(), gone));
        pool.terminate();
        pool.join();
        CHECK(eventually([&] { return all_gone(children); }));
    });
}

TEST_CASE("Children that a task leaves behind do not hold up close and join", "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    mp::Pool<> pool({.processes = 1, .maxtasksperchild = 1, .start_method = method});
    std::vector<int> children;
    for (int i = 0; i < 3; ++i) {
        children.push_back(pool.apply(leave_a_child, {board.ref()}));
    }
    pool.close();
    pool.join();
    CHECK(eventually([&] { return all_gone(children); }));
}

TEST_CASE("Descriptors exhausted while a pool is made: an error, and nothing is left",
          "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    {
        mp::Pool<> warm({.processes = 1, .start_method = method});
        CHECK(warm.apply(square, {2}) == 4);
    }
    const std::size_t descriptors = open_descriptors();
    const std::size_t threads = count_threads();
    const std::size_t children = descendants_of(::getpid()).size();
    rlimit before = {};
    ::getrlimit(RLIMIT_NOFILE, &before);
    bool made = false;
    for (std::size_t spare = 0; spare < 100 && !made; ++spare) {
        Watch watch;
        INFO("spare descriptors " << spare);
        rlimit tight = before;
        tight.rlim_cur = descriptors + spare;
        ::setrlimit(RLIMIT_NOFILE, &tight);
        const std::string told = outcome_of([&] {
            mp::Pool<> pool({.processes = 3, .start_method = method});
            return pool.map(square, numbers(20));
        });
        ::setrlimit(RLIMIT_NOFILE, &before);
        made = told == "value";
        if (!made) {
            CHECK((told == "std::system_error" || told == "ProcessError"));
        }
        CHECK(open_descriptors() == descriptors);
        CHECK(eventually([&] { return count_threads() == threads; }));
        CHECK(eventually([&] { return descendants_of(::getpid()).size() == children; }));
    }
    CHECK(made);
}

TEST_CASE("A worker that cannot be replaced at the moment is replaced later", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        CHECK(worker_pids(pool, 2).size() == 2);
        rlimit before = {};
        ::getrlimit(RLIMIT_NOFILE, &before);
        rlimit tight = before;
        tight.rlim_cur = 3;  // those that are open already stay so
        ::setrlimit(RLIMIT_NOFILE, &tight);
        auto lost = pool.apply_async(square_or_die, {Mortal{1, Death::kill}});
        CHECK(outcome(lost) == "WorkerLostError");
        CHECK(pool.map(square, numbers(20)) == serial_squares(20));  // by the other one
        ::setrlimit(RLIMIT_NOFILE, &before);
        CHECK(worker_pids(pool, 2).size() == 2);
    });
}

TEST_CASE("A pool that cannot replace its last worker says why, after a while", "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    mp::Pool<> pool({.processes = 1, .start_method = method});
    CHECK(pool.apply(square, {2}) == 4);
    rlimit before = {};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit tight = before;
    tight.rlim_cur = 3;
    ::setrlimit(RLIMIT_NOFILE, &tight);
    auto lost = pool.apply_async(square_or_die, {Mortal{1, Death::kill}});
    auto waiting = pool.apply_async(square, {3});
    const std::vector<std::string> told{outcome(lost), outcome(waiting)};
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(told == std::vector<std::string>{"WorkerLostError", "std::system_error"});
}

TEST_CASE("A result that the parent has no room for fails its own call", "[crash][pool]") {
    if (sanitized) {
        return;
    }
    on_process_pools(1, [](auto& pool) {
        const int worker = pool.apply(own_pid);
        rlimit before = {};
        ::getrlimit(RLIMIT_AS, &before);
        std::ifstream file("/proc/self/statm");
        std::size_t pages = 0;
        file >> pages;
        rlimit tight = before;
        tight.rlim_cur =
            pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + (std::size_t{64} << 20);
        ::setrlimit(RLIMIT_AS, &tight);
        const std::string told = outcome_of([&] { return pool.apply(huge, {200u << 20}); });
        ::setrlimit(RLIMIT_AS, &before);
        CHECK(told == "std::system_error");
        CHECK(pool.apply(huge, {200u << 20}).size() == 200u << 20);
        CHECK(pool.apply(own_pid) == worker);
    });
}

TEST_CASE("A task that forks and returns twice: the copy ends, the worker answers",
          "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        const int worker = pool.apply(own_pid);
        for (int i = 0; i < 20; ++i) {
            Watch watch;
            CHECK(outcome_of([&] { return pool.apply(return_twice, {i}); }) == "value");
            CHECK(pool.map(square, numbers(20)) == serial_squares(20));
        }
        CHECK(pool.apply(own_pid) == worker);
        CHECK(eventually([&] { return descendants_of(worker).empty(); }));
    });
}

TEST_CASE("A task that forks, and whose copy throws: the copy ends, the worker answers",
          "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        const int worker = pool.apply(own_pid);
        // When the copy throws, the worker is busy with the second item of a message. Answers are
        // composed in a few places in turn: one of these in the place that the copy knows. Each
        // function is new to the pool: items that are known to be long travel alone.
        const auto round = [&]<int between>(std::integral_constant<int, between>) {
            Watch watch;
            CHECK(pool.apply(throw_in_a_copy, {between}) == between);
            for (int i = 0; i < between; ++i) {
                CHECK(pool.apply(square, {i}) == i * i);
            }
            CHECK(
                outcome_of([&] {
                    return pool.map(text_after<between>, std::vector{0ms, 40ms}, {.chunksize = 2});
                }) == "value");
        };
        [&]<int... between>(std::integer_sequence<int, between...>) {
            (round(std::integral_constant<int, between>{}), ...);
        }
        (std::make_integer_sequence<int, 16>{});
        CHECK(pool.apply(own_pid) == worker);
        CHECK(eventually([&] { return descendants_of(worker).empty(); }));
    });
}

TEST_CASE("Descriptors exhausted while a pool works delay nothing for ever", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        CHECK(pool.map(square, numbers(20)) == serial_squares(20));
        rlimit before = {};
        ::getrlimit(RLIMIT_NOFILE, &before);
        rlimit tight = before;
        tight.rlim_cur = open_descriptors() + 1;
        ::setrlimit(RLIMIT_NOFILE, &tight);
        auto small = pool.map_async(square, numbers(200));
        auto large = pool.apply_async(huge, {4u << 20});
        auto lost = pool.apply_async(square_or_die, {Mortal{1, Death::kill}});
        const std::vector<std::string> told{outcome(small), outcome(large), outcome(lost)};
        ::setrlimit(RLIMIT_NOFILE, &before);
        CHECK(count_of(told, "pending") == 0);
        CHECK(told[2] != "value");
    });
}

TEST_CASE("Long chunks of short items take little shared memory", "[pool]") {
    Watch watch;
    mp::Pool<> pool(2);
    CHECK(pool.map(square, numbers(1000)) == serial_squares(1000));
    const std::vector<int> many = numbers(4'000'000);  // 16 MiB each way
    const std::size_t before = test_support::status_number("RssShmem");
    CHECK(pool.map(same, many) == many);
    CHECK(test_support::status_number("RssShmem") < before + 3 * 1024);
}
