// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestPoolWorkerErrors and ExecutorDeadlockTest: errors and deaths in
// the task and on the way there and back.
#include "pool/pool_faults.hpp"

using namespace pool_test;

namespace {

int throw_key(int) {
    throw std::out_of_range("key");
}

/// After a fault the pool must give right answers as before.
template <class AnyPool>
void check_alive(AnyPool& pool) {
    CHECK(pool.map(square, numbers(50)) == serial_squares(50));
}

template <class AnyPool>
void check_death_on_the_way(AnyPool& pool, const Traveller& item) {
    auto before = pool.apply_async(square, {3});
    auto lost = pool.apply_async(send_back, {item});
    auto behind = pool.apply_async(square, {4});
    CHECK(outcome(lost) == "WorkerLostError");
    CHECK(before.get(patience) == 9);
    CHECK(behind.get(patience) == 16);
    check_alive(pool);
}

}  // namespace

TEST_CASE("_TestPoolWorkerErrors.test_async_error_callback: get throws and error_callback is told",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        std::vector<std::string> told;
        auto result = pool.apply_async(
            throw_key, {1},
            {.error_callback = [&](std::exception_ptr e) { told.push_back(name_of(e)); }});
        REQUIRE(result.wait(patience));
        CHECK_THROWS_AS(result.get(), std::out_of_range);
        CHECK_THROWS_AS(result.get(), std::out_of_range);  // as often as it is asked
        CHECK_FALSE(result.successful());
        CHECK(told == std::vector<std::string>{"key"});
    });
}

TEST_CASE("_TestPoolWorkerErrors.test_unpickleable_result: PicklingError for its task, 20 times",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        const int throw_saving = static_cast<int>(Mischief::throw_saving);
        for (int i = 0; i < 20; ++i) {
            auto result = pool.apply_async(make_traveller, {i, ::getpid(), throw_saving, false});
            REQUIRE(outcome(result) == "PicklingError");
            try {
                (void)result.get();
            } catch (const mp::PicklingError& error) {
                REQUIRE_THAT(error.what(), Catch::Contains("a troubled journey"));
            }
        }
        check_alive(pool);
    });
}

TEST_CASE("ExecutorDeadlockTest.test_error_at_task_pickle: an argument that throws while saved",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        const Traveller bad = traveller(1, Mischief::throw_saving, true);
        CHECK(outcome_of([&] { return pool.apply(send_back, {bad}); }) == "a troubled journey");
        check_alive(pool);
    });
}

TEST_CASE("ExecutorDeadlockTest.test_error_at_task_unpickle: fails that task alone",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        const int worker_count = 2;
        const std::set<int> pids = worker_pids(pool, worker_count);
        auto bad = pool.apply_async(send_back, {traveller(1, Mischief::throw_loading)});
        auto good = pool.apply_async(value_of_traveller, {traveller(2)});
        CHECK(outcome(bad) == "a troubled journey");
        CHECK(good.get(patience) == 2);
        CHECK(worker_pids(pool, worker_count) == pids);  // nobody died of it
    });
}

TEST_CASE("ExecutorDeadlockTest.test_crash_at_task_unpickle: WorkerLostError for that task",
          "[parity][pool]") {
    on_process_pools(
        2, [](auto& pool) { check_death_on_the_way(pool, traveller(1, Mischief::die_loading)); });
}

TEST_CASE("ExecutorDeadlockTest.test_crash_during_func_exec_on_worker: WorkerLostError with -11",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        auto result = pool.apply_async(square_or_die, {Mortal{1, Death::segv}});
        CHECK(outcome(result) == "WorkerLostError");
        try {
            (void)result.get();
        } catch (const mp::WorkerLostError& error) {
            CHECK(error.exitcode() == -SIGSEGV);
            CHECK(error.pid() > 0);
        }
        check_alive(pool);
    });
}

TEST_CASE(
    "ExecutorDeadlockTest.test_exit_during_func_exec_on_worker: WorkerLostError with the code",
    "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (const Death death : {Death::exit, Death::exit_now_3, Death::exit_now_0}) {
            INFO(name_of(death));
            auto result = pool.apply_async(square_or_die, {Mortal{1, death}});
            REQUIRE(outcome(result) == "WorkerLostError");
            try {
                (void)result.get();
            } catch (const mp::WorkerLostError& error) {
                CHECK(error.exitcode() == exitcode_of(death));
            }
        }
        check_alive(pool);
    });
}

TEST_CASE("ExecutorDeadlockTest.test_error_during_func_exec_on_worker: the exception arrives",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        auto result = pool.apply_async(fail_on_odd, {7});
        CHECK(outcome(result) == "odd: 7");
        CHECK_THROWS_AS(result.get(), std::invalid_argument);
        check_alive(pool);
    });
}

TEST_CASE("ExecutorDeadlockTest.test_crash_during_result_pickle_on_worker: WorkerLostError",
          "[parity][pool]") {
    on_process_pools(
        2, [](auto& pool) { check_death_on_the_way(pool, traveller(1, Mischief::die_saving)); });
}

TEST_CASE("ExecutorDeadlockTest.test_error_during_result_pickle_on_worker: PicklingError in a map",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        std::vector<Traveller> list;
        for (int i = 0; i < 12; ++i) {
            list.push_back(traveller(i, i == 5 ? Mischief::throw_saving : Mischief::none));
        }
        CHECK_THROWS_AS(pool.map(send_back, list, {.chunksize = 4}), mp::PicklingError);
        auto it = pool.imap(send_back, list, {.chunksize = 4});
        for (int i = 0; i < 12; ++i) {
            INFO("item " << i);
            if (i == 5) {
                CHECK_THROWS_AS(it.next(), mp::PicklingError);
            } else {
                const auto item = it.next();
                REQUIRE(item);
                CHECK(item->value == i);
            }
        }
        CHECK_FALSE(it.next());
        check_alive(pool);
    });
}

TEST_CASE("ExecutorDeadlockTest.test_error_during_result_unpickle_in_result_handler: no hang",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        const int throw_loading = static_cast<int>(Mischief::throw_loading);
        auto bad = pool.apply_async(make_traveller, {1, ::getpid(), throw_loading, true});
        auto good = pool.apply_async(square, {4});
        CHECK(outcome(bad) == "a troubled journey");
        CHECK(good.get(patience) == 16);
        check_alive(pool);
    });
}

TEST_CASE("ExecutorDeadlockTest.test_shutdown_deadlock: close and join while a worker crashes",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        auto result = pool.apply_async(square_or_die, {Mortal{1, Death::segv}});
        auto behind = pool.map_async(square, numbers(20));
        pool.close();
        pool.join();
        CHECK(outcome(result, 0ms) == "WorkerLostError");
        CHECK(behind.get() == serial_squares(20));
    });
}

TEST_CASE("ExecutorDeadlockTest.test_shutdown_deadlock_pickle: close with a bad argument pending",
          "[parity][pool]") {
    on_process_pools(1, [](auto& pool) {
        auto bad = pool.apply_async(send_back, {traveller(1, Mischief::throw_loading)});
        pool.close();
        pool.join();
        CHECK(outcome(bad, 0ms) == "a troubled journey");
    });
}

TEST_CASE("ExecutorDeadlockTest.test_crash_big_data: a crash while large arguments are queued",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        std::vector<Traveller> list;
        for (int i = 0; i < 16; ++i) {
            list.push_back(traveller(i, i == 3 ? Mischief::die_loading : Mischief::none));
            list.back().payload.assign(1 << 20, static_cast<char>('a' + i));
        }
        auto it = pool.imap(send_back, list);
        for (int i = 0; i < 16; ++i) {
            INFO("item " << i);
            if (i == 3) {
                CHECK_THROWS_AS(it.next(), mp::WorkerLostError);
            } else {
                const auto item = it.next();
                REQUIRE(item);
                CHECK(item->payload == list[static_cast<std::size_t>(i)].payload);
            }
        }
        check_alive(pool);
    });
}

TEST_CASE(
    "ExecutorDeadlockTest.test_gh105829_should_not_deadlock_if_wakeup_pipe_full: submitting "
    "never waits for a worker",
    "[parity][pool]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        auto first = pool.apply_async(wait_at_gate, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
        std::vector<mp::AsyncResult<int>> results;
        for (int i = 0; i < 20000; ++i) {  // the only worker is busy all the while
            results.push_back(pool.apply_async(square, {i % 1000}));
        }
        board[gate] = 1;
        CHECK(outcome(first) == "value");
        for (int i = 0; i < 20000; ++i) {
            REQUIRE(results[static_cast<std::size_t>(i)].get(patience) == (i % 1000) * (i % 1000));
        }
    });
}

TEST_CASE("broken_process_pool_traceback: two lost calls have an error of their own each",
          "[parity][pool]") {
    on_process_pools(1, [](auto& pool) {
        auto first = pool.apply_async(square_or_die, {Mortal{1, Death::exit_now_3}});
        auto second = pool.apply_async(square_or_die, {Mortal{1, Death::kill}});
        std::vector<std::pair<int, int>> told;
        for (auto* result : {&first, &second}) {
            REQUIRE(result->wait(patience));
            try {
                (void)result->get();
            } catch (const mp::WorkerLostError& error) {
                told.emplace_back(error.pid(), error.exitcode());
            }
        }
        REQUIRE(told.size() == 2);
        CHECK(told[0].second == 3);
        CHECK(told[1].second == -SIGKILL);
        CHECK(told[0].first != told[1].first);
    });
}

TEST_CASE("traceback_when_child_process_terminates_abruptly: the text says pid and exit code",
          "[parity][pool]") {
    on_process_pools(1, [](auto& pool) {
        const auto check_end = [&](Death death, const std::string& how) {
            const int worker = pool.apply(own_pid);
            try {
                pool.apply(square_or_die, {Mortal{1, death}});
                FAIL("nothing was thrown");
            } catch (const mp::WorkerLostError& error) {
                CHECK(error.pid() == worker);
                CHECK(error.exitcode() == exitcode_of(death));
                CHECK_THAT(error.what(),
                           Catch::EndsWith("(pid " + std::to_string(worker) + ") " + how));
            }
        };
        check_end(Death::exit_now_3, "ended with exit code 3");
        check_end(Death::kill, "was killed by signal 9");
    });
}
