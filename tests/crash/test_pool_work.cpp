// SPDX-License-Identifier: BSL-1.0
// Work that a worker holds and has not started: moved, cancelled, kept; a stopped worker that gets
// more of it.
#include "pool/pool_faults.hpp"

using namespace pool_test;

namespace {

/// Counts the start of its item; item 0 waits at the gate.
int first_waits(const Job& job) {
    cells(job.board)[items + static_cast<std::size_t>(job.index)].fetch_add(1);
    if (job.index == 0) {
        cells(job.board)[arrivals].fetch_add(1);
        await_cell(job.board, gate, 1);
    }
    return job.index;
}

/// Counts the start of its item; the item at cell `finished` kills its worker the first time.
std::vector<std::uint8_t> large_or_die_once(const Job& job, std::size_t size, bool again) {
    Cell* at = cells(job.board);
    const auto before = at[items + static_cast<std::size_t>(job.index)].fetch_add(1);
    if (job.index == at[finished] && (again || before == 0)) {
        ::kill(::getpid(), SIGKILL);
    }
    return std::vector<std::uint8_t>(size, static_cast<std::uint8_t>(job.index));
}

std::vector<std::tuple<Job, std::size_t, bool>> large_or_die_list(const Board& board, int count,
                                                                  std::size_t size, bool again) {
    std::vector<std::tuple<Job, std::size_t, bool>> list;
    for (const Job& job : jobs(board, count)) {
        list.emplace_back(job, size, again);
    }
    return list;
}

int die_once_from_item_10(const Job& job) {
    const auto before = cells(job.board)[items + static_cast<std::size_t>(job.index)].fetch_add(1);
    if (job.index >= 10 && job.index < 20 && before == 0) {
        ::kill(::getpid(), SIGKILL);
    }
    return job.index;
}

/// @returns the worker's pid
int nap(std::chrono::microseconds length) {
    if (length > 0us) {
        std::this_thread::sleep_for(length);
    }
    return ::getpid();
}

/// Makes the pool believe that calls of `first_waits` are short.
template <class AnyPool>
void teach_that_calls_are_short(AnyPool& pool) {
    Board board;
    auto list = jobs(board, 2000);
    list.erase(list.begin());
    for (int round = 0; round < 5; ++round) {
        (void)pool.map(first_waits, list, {.chunksize = 1});
    }
}

}  // namespace

TEST_CASE("Calls queued behind a long one are moved to an idle worker", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (int round = 0; round < 5; ++round) {
            teach_that_calls_are_short(pool);
            Board board;
            std::vector<mp::AsyncResult<int>> results;
            for (int i = 0; i < 200; ++i) {
                results.push_back(pool.apply_async(first_waits, {Job{board.ref(), i}}));
            }
            for (int i = 1; i < 200; ++i) {
                REQUIRE(results[static_cast<std::size_t>(i)].get(patience) == i);
            }
            CHECK_FALSE(results[0].ready());
            board[gate] = 1;
            CHECK(results[0].get(patience) == 0);
            for (std::size_t i = 0; i < 200; ++i) {
                REQUIRE(board[items + i] == 1);
            }
        }
    });
}

TEST_CASE("Calls queued behind a long one are moved although nobody waits for them",
          "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (int round = 0; round < 5; ++round) {
            teach_that_calls_are_short(pool);
            std::this_thread::sleep_for(250ms);  // the pool falls asleep
            Board board;
            std::vector<mp::AsyncResult<int>> results;
            for (int i = 0; i < 50; ++i) {
                results.push_back(pool.apply_async(first_waits, {Job{board.ref(), i}}));
            }
            for (std::size_t i = 1; i < 50; ++i) {
                REQUIRE(board.reaches(items + i, 1));
            }
            board[gate] = 1;
            CHECK(results[0].get(patience) == 0);
        }
    });
}

TEST_CASE("A worker that is used up is replaced, however long the pool slept before",
          "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    mp::Pool<> pool({.processes = 1, .maxtasksperchild = 2, .start_method = method});
    for (const auto pause : {0ms, 1ms, 150ms, 350ms}) {
        for (int i = 0; i < (pause < 10ms ? 20 : 3); ++i) {
            auto result = pool.apply_async(square, {i});
            REQUIRE(result.get(patience) == i * i);
            std::this_thread::sleep_for(pause);
        }
    }
}

TEST_CASE("The items of a chunk behind a long one are moved to an idle worker", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        auto all = pool.map_async(first_waits, jobs(board, 50), {.chunksize = 50});
        for (std::size_t i = 1; i < 50; ++i) {
            REQUIRE(board.reaches(items + i, 1));
        }
        CHECK_FALSE(all.wait(20ms));
        board[gate] = 1;
        CHECK(all.get(patience) == numbers(50));
        for (std::size_t i = 0; i < 50; ++i) {
            CHECK(board[items + i] == 1);
        }
    });
}

TEST_CASE("Items that turn out to be long are shared by all workers, whoever got them first",
          "[crash][pool]") {
    Watch watch;
    std::ptrdiff_t least = 100;
    for (int round = 0; round < 5; ++round) {
        mp::Pool<> pool(2);
        // now all items of a map go to one worker at first
        pool.map(nap, std::vector(1000, 0us));
        const std::vector<int> pids = pool.map(nap, std::vector(100, 2ms));
        const auto share = std::ranges::count(pids, pids.front());
        least = std::min({least, share, 100 - share});
    }
    CHECK(least > 20);
}

TEST_CASE("cancel of calls that the worker already has: they never run, the others do",
          "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        for (int round = 0; round < 5; ++round) {
            teach_that_calls_are_short(pool);
            const int worker = pool.apply(own_pid);
            Board board;
            std::vector<mp::AsyncResult<int>> results;
            for (int i = 0; i < 100; ++i) {
                results.push_back(pool.apply_async(first_waits, {Job{board.ref(), i}}));
            }
            REQUIRE(board.reaches(arrivals, 1));
            for (std::size_t i = 1; i < 100; i += 2) {
                CHECK(results[i].cancel());
            }
            board[gate] = 1;
            for (std::size_t i = 0; i < 100; ++i) {
                INFO("call " << i);
                CHECK(outcome(results[i]) == (i % 2 == 1 ? "CancelledError" : "value"));
                CHECK(board[items + i] == (i % 2 == 1 ? 0 : 1));
            }
            CHECK(pool.apply(own_pid) == worker);  // nothing that runs was cancelled
        }
    });
}

TEST_CASE("cancel of a map ends its started chunks: their other items never run", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        const std::set<int> before = worker_pids(pool, 2);
        Board board;
        auto held = pool.apply_async(wait_at_gate, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
        Board other;
        auto list = pool.map_async(first_waits, jobs(other, 40), {.chunksize = 20});
        auto behind = pool.apply_async(square, {7});
        REQUIRE(other.reaches(arrivals, 1));
        CHECK(list.cancel());
        CHECK(outcome(list) == "CancelledError");
        CHECK(behind.get(patience) == 49);
        CHECK_FALSE(held.ready());
        board[gate] = 1;
        CHECK(before.count(held.get(patience)) == 1);
        const std::set<int> after = worker_pids(pool, 2);
        CHECK(std::count_if(after.begin(), after.end(),
                            [&](int pid) { return before.count(pid) == 1; }) == 1);
        CHECK(other[items + 0] == 1);
        for (std::size_t i = 1; i < 40; ++i) {
            CHECK(other[items + i] == 0);
        }
        CHECK_FALSE(list.cancel());  // nothing is left to cancel
    });
}

TEST_CASE("Finished items of a chunk whose worker died are kept, whatever their size",
          "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (const std::size_t size : {std::size_t{10}, std::size_t{3000}, std::size_t{300000}}) {
            INFO("size " << size);
            Board board;
            board[finished] = 7;  // the item that dies
            const auto list = large_or_die_list(board, 20, size, true);
            int at = 0;
            auto it = pool.imap(
                [](const std::tuple<Job, std::size_t, bool>& item) {
                    return large_or_die_once(std::get<0>(item), std::get<1>(item),
                                             std::get<2>(item));
                },
                list, {.chunksize = 10});
            for (; at < 20; ++at) {
                const std::string told = outcome_of([&] {
                    const auto item = it.next(patience);
                    if (!item ||
                        *item != std::vector<std::uint8_t>(size, static_cast<std::uint8_t>(at))) {
                        throw std::logic_error("another item");
                    }
                });
                INFO("item " << at);
                CHECK(told == (at == 7 ? "WorkerLostError" : "value"));
                CHECK(board[items + static_cast<std::size_t>(at)] == 1);
            }
        }
    });
}

TEST_CASE("A retry runs the lost item of a chunk again, and no other", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (const std::size_t size : {std::size_t{10}, std::size_t{300000}}) {
            Board board;
            board[finished] = 7;
            const auto list =
                pool.starmap(large_or_die_once, large_or_die_list(board, 20, size, false),
                             {.chunksize = 10, .retries = 1});
            REQUIRE(list.size() == 20);
            for (std::size_t i = 0; i < 20; ++i) {
                CHECK(list[i] == std::vector<std::uint8_t>(size, static_cast<std::uint8_t>(i)));
                CHECK(board[items + i] == (i == 7 ? 2 : 1));
            }
        }
    });
}

TEST_CASE("Items that were claimed with a lost one keep their retries", "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        // The first ones are short, so that those behind them are claimed together.
        const std::vector<int> results =
            pool.map(die_once_from_item_10, jobs(board, 100), {.chunksize = 100, .retries = 1});
        CHECK(results == numbers(100));
        for (std::size_t i = 10; i < 20; ++i) {
            CHECK(board[items + i] == 2);
        }
    });
}

TEST_CASE("A worker stopped at any instant does not hold up the parent that submits",
          "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        teach_that_calls_are_short(pool);
        const int worker = pool.apply(own_pid);
        std::mt19937 random(7);
        for (long round = 0; round < scaled(60); ++round) {
            std::vector<mp::AsyncResult<int>> results;
            const auto submit = [&](int count) {
                for (int i = 0; i < count; ++i) {
                    results.push_back(pool.apply_async(square, {i}));
                }
            };
            submit(200);  // so that the worker is in and out of its queues
            const auto pause = std::chrono::microseconds(random() % 300);
            const auto until = std::chrono::steady_clock::now() + pause;
            while (std::chrono::steady_clock::now() < until) {
            }
            signal_to(worker, SIGSTOP);
            REQUIRE(eventually([&] { return state_of(worker) == 'T'; }));
            // a parent that waits for the stopped one would do so for ever: nobody continues it
            submit(200);
            (void)results.back().wait(1ms);
            (void)results.front().ready();
            signal_to(worker, SIGCONT);
            for (std::size_t i = 0; i < 400; ++i) {
                const int n = static_cast<int>(i % 200);
                REQUIRE(results[i].get(patience) == n * n);
            }
        }
        CHECK(pool.apply(own_pid) == worker);
    });
}

TEST_CASE("terminate and the destructor do not wait for a stopped worker", "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    for (const bool explicitly : {true, false}) {
        Watch watch;
        std::vector<mp::AsyncResult<int>> results;
        int worker = 0;
        {
            mp::Pool<> pool({.processes = 1, .start_method = method});
            worker = pool.apply(own_pid);
            signal_to(worker, SIGSTOP);
            REQUIRE(eventually([&] { return state_of(worker) == 'T'; }));
            results.push_back(pool.apply_async(square, {4}));
            if (explicitly) {
                pool.terminate();
                pool.join();
            }
        }
        CHECK(outcome(results[0], 0ms) == "CancelledError");
        CHECK(eventually([&] { return gone(worker); }));
    }
}
