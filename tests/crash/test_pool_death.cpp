// SPDX-License-Identifier: BSL-1.0
// Workers that die in user code, while idle, and on the way there and back.
#include "pool/pool_faults.hpp"

using namespace pool_test;

namespace {

/// Counts the start of its item, dies if the death says so.
struct CountedMortal {
    Job job;
    Death death = Death::last;
};

int count_and_maybe_die(const CountedMortal& item) {
    cells(item.job.board)[items + static_cast<std::size_t>(item.job.index)].fetch_add(1);
    die(item.death);
    return item.job.index;
}

Traveller careful_send_back(const Traveller& t) {
    return t;
}

}  // namespace

TEST_CASE("A worker that dies in user code fails its call with pid and exit code, others run",
          "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (int i = 0; i < static_cast<int>(Death::last); ++i) {
            const Death death = static_cast<Death>(i);
            if (sanitized && death == Death::stack) {
                continue;  // the sanitizer turns it into a report of its own
            }
            INFO(name_of(death));
            const std::set<int> before = worker_pids(pool, 2);
            REQUIRE(before.size() == 2);
            auto first = pool.apply_async(square, {2});
            auto lost = pool.apply_async(square_or_die, {Mortal{1, death}});
            auto behind = pool.map_async(square, numbers(50), {.chunksize = 1});
            CHECK(outcome(lost) == "WorkerLostError");
            try {
                (void)lost.get();
            } catch (const mp::WorkerLostError& error) {
                CHECK(error.exitcode() == exitcode_of(death));
                CHECK(before.count(error.pid()) == 1);
            }
            CHECK(first.get(patience) == 4);
            CHECK(behind.get(patience) == serial_squares(50));
            CHECK(worker_pids(pool, 2).size() == 2);
        }
    });
}

TEST_CASE("A death fails only its item of a chunk, and runs no item twice", "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (const Death death : {Death::kill, Death::exit_now_0, Death::abort}) {
            INFO(name_of(death));
            Board board;
            std::vector<CountedMortal> list;
            for (const Job& job : jobs(board, 60)) {
                list.push_back({job, job.index % 10 == 4 ? death : Death::last});
            }
            auto it = pool.imap(count_and_maybe_die, list, {.chunksize = 10});
            const auto told = outcomes(it, 1000);
            REQUIRE(told.size() == 60);
            for (std::size_t i = 0; i < 60; ++i) {
                INFO("item " << i);
                CHECK(told[i] == (i % 10 == 4 ? "WorkerLostError" : std::to_string(i)));
                CHECK(board[items + i] == 1);
            }
        }
    });
}

TEST_CASE("Every item of a map is run once although each worker dies again and again",
          "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        std::vector<CountedMortal> list;
        for (const Job& job : jobs(board, 40)) {
            list.push_back({job, job.index % 2 == 0 ? Death::kill : Death::last});
        }
        auto it = pool.imap_unordered(count_and_maybe_die, list);
        const auto told = outcomes(it, 1000);
        CHECK(told.size() == 40);
        CHECK(count_of(told, "WorkerLostError") == 20);
        for (std::size_t i = 0; i < 40; ++i) {
            CHECK(board[items + i] == 1);
        }
        CHECK_THROWS_AS(pool.map(count_and_maybe_die, list), mp::WorkerLostError);
    });
}

TEST_CASE("Workers killed while idle fail nothing and are replaced", "[crash][pool]") {
    on_process_pools(3, [](auto& pool) {
        std::set<int> before = worker_pids(pool, 3);
        for (int round = 0; round < 3; ++round) {
            for (const int pid : before) {
                signal_to(pid, round == 1 ? SIGTERM : SIGKILL);
            }
            CHECK(eventually([&] { return all_gone(before); }));
            const std::set<int> after = worker_pids(pool, 3);
            REQUIRE(after.size() == 3);
            for (const int pid : after) {
                CHECK(before.count(pid) == 0);
            }
            before = after;
        }
    });
}

TEST_CASE("A worker killed at the instant work is submitted never takes it along",
          "[crash][pool]") {
    on_process_pools(1, [](auto& pool) {
        for (int round = 0; round < 20; ++round) {
            const int victim = pool.apply(own_pid, {}, {.retries = 100});
            std::vector<mp::AsyncResult<int>> results;
            for (int i = 0; i < 20; ++i) {
                if (i == round) {
                    signal_to(victim, SIGKILL);
                }
                results.push_back(pool.apply_async(square, {i}, {.retries = 100}));
            }
            for (int i = 0; i < 20; ++i) {
                REQUIRE(results[static_cast<std::size_t>(i)].get(patience) == i * i);
            }
        }
    });
}

TEST_CASE("A death while arguments are loaded or results are saved costs that item",
          "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (const Mischief mischief : {Mischief::die_loading, Mischief::die_saving}) {
            INFO("while " << (mischief == Mischief::die_loading ? "loading" : "saving"));
            std::vector<Traveller> list;
            for (int i = 0; i < 30; ++i) {
                list.push_back(traveller(i, i % 10 == 5 ? mischief : Mischief::none));
            }
            for (const int chunksize : {1, 10}) {
                INFO("chunksize " << chunksize);
                auto it = pool.imap(careful_send_back, list, {.chunksize = chunksize});
                for (int i = 0; i < 30; ++i) {
                    INFO("item " << i);
                    const std::string told = outcome_of([&] {
                        const auto item = it.next(patience);
                        if (!item || item->value != i) {
                            throw std::logic_error("another item");
                        }
                    });
                    CHECK(told == (i % 10 == 5 ? "WorkerLostError" : "value"));
                }
            }
            auto stubborn =
                pool.apply_async(careful_send_back, {traveller(1, mischief)}, {.retries = 2});
            CHECK(outcome(stubborn) == "WorkerLostError");
        }
        CHECK(pool.map(square, numbers(50)) == serial_squares(50));
    });
}

TEST_CASE("Results that throw while saved fail with PicklingError between results that do not",
          "[crash][pool]") {
    on_process_pools(2, [](auto& pool) {
        const std::set<int> before = worker_pids(pool, 2);
        std::vector<mp::AsyncResult<Traveller>> results;
        for (int i = 0; i < 40; ++i) {
            results.push_back(pool.apply_async(
                careful_send_back,
                {traveller(i, i % 2 == 0 ? Mischief::throw_saving : Mischief::none)}));
        }
        for (std::size_t i = 0; i < 40; ++i) {
            CHECK(outcome(results[i]) == (i % 2 == 0 ? "PicklingError" : "value"));
        }
        CHECK(worker_pids(pool, 2) == before);
    });
}

TEST_CASE("close and join return although every worker dies of its last call", "[crash][pool]") {
    on_process_pools(3, [](auto& pool) {
        std::vector<mp::AsyncResult<int>> results;
        for (int i = 0; i < 12; ++i) {
            results.push_back(pool.apply_async(square_or_die, {Mortal{i, Death::kill}}));
        }
        pool.close();
        pool.join();
        for (auto& result : results) {
            CHECK(outcome(result, 0ms) == "WorkerLostError");
        }
    });
}

TEST_CASE("terminate returns while workers die of their calls", "[crash][pool]") {
    for (int round = 0; round < 10; ++round) {
        Watch watch;
        mp::Pool<> pool(2);
        std::vector<mp::AsyncResult<int>> results;
        for (int i = 0; i < 12; ++i) {
            results.push_back(pool.apply_async(square_or_die, {Mortal{i, Death::kill}}));
        }
        pool.terminate();
        pool.join();
        for (auto& result : results) {
            const std::string told = outcome(result, 0ms);
            CHECK((told == "WorkerLostError" || told == "CancelledError"));
        }
    }
}
