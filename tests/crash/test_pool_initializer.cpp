// SPDX-License-Identifier: BSL-1.0
// Initializers that fail every time, or now and then: an error for the calls, no endless respawn.
#include "pool/pool_faults.hpp"

using namespace pool_test;

namespace {

void throw_always(BoardRef board) {
    cells(board)[arrivals].fetch_add(1);
    throw std::domain_error("never ready");
}

void exit_always(BoardRef board) {
    cells(board)[arrivals].fetch_add(1);
    ::_exit(7);
}

void die_always(BoardRef board) {
    cells(board)[arrivals].fetch_add(1);
    die(Death::segv);
}

/// The first two workers initialize, later ones do not.
void throw_from_third(BoardRef board) {
    if (cells(board)[arrivals].fetch_add(1) >= 2) {
        throw std::domain_error("no replacement");
    }
}

void hang_always(BoardRef board) {
    cells(board)[arrivals].fetch_add(1);
    await_cell(board, gate, 1);
}

}  // namespace

TEST_CASE(
    "An initializer that throws every time fails all calls with its error, and few workers "
    "are tried",
    "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    mp::Pool<> pool({.processes = 3,
                     .initializer = mp::partial(throw_always, board.ref()),
                     .start_method = method});
    for (int i = 0; i < 10; ++i) {
        CHECK(outcome_of([&] { return pool.apply(square, {i}); }) == "never ready");
    }
    const std::string list = outcome_of([&] { return pool.map(square, numbers(100)); });
    CHECK(list == "never ready");
    const std::string lazy = outcome_of([&] {
        auto it = pool.imap(square, numbers(100));
        return it.next(patience);
    });
    CHECK(lazy == "never ready");
    std::this_thread::sleep_for(200ms);  // a window in which an endless respawn would show
    CHECK(board[arrivals] <= 12);
    pool.close();
    pool.join();
}

TEST_CASE(
    "An initializer that ends its process every time fails all calls, and few workers are "
    "tried",
    "[crash][pool]") {
    const mp::StartMethod method = every_method();
    const bool crash = GENERATE(false, true);
    INFO("start method " << mp::to_string(method) << ", by a signal: " << crash);
    if (crash && sanitized) {
        return;
    }
    Watch watch;
    Board board;
    mp::Pool<> pool({.processes = 2,
                     .initializer = mp::partial(crash ? die_always : exit_always, board.ref()),
                     .start_method = method});
    for (int i = 0; i < 5; ++i) {
        const std::string told = outcome_of([&] { return pool.apply(square, {i}); });
        CHECK((told == "WorkerLostError" || told == "ProcessError"));
    }
    const std::string told = outcome_of([&] {
        auto late = pool.map_async(square, numbers(100), {.retries = 5});
        return late.get(patience);
    });
    CHECK((told == "WorkerLostError" || told == "ProcessError"));
    std::this_thread::sleep_for(200ms);
    CHECK(board[arrivals] <= 40);
}

TEST_CASE(
    "failed_worker_replacement_breaks_pool: queued calls fail with the reason when no "
    "replacement can be made",
    "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    Board other;
    mp::Pool<> pool({.processes = 2,
                     .initializer = mp::partial(throw_from_third, board.ref()),
                     .start_method = method});
    const std::set<int> workers = worker_pids(pool, 2);
    REQUIRE(workers.size() == 2);
    std::vector<mp::AsyncResult<int>> results;
    for (int i = 0; i < 6; ++i) {
        results.push_back(pool.apply_async(wait_at_gate, {other.ref()}));
    }
    REQUIRE(other.reaches(arrivals, 2));
    for (const int pid : workers) {
        signal_to(pid, SIGKILL);
    }
    long lost = 0;
    long refused = 0;
    for (auto& result : results) {
        const std::string told = outcome(result);
        lost += told == "WorkerLostError";
        refused += told == "no replacement";
    }
    CHECK(lost >= 1);  // the pool may be broken before the second death is known
    CHECK(lost + refused == 6);
    CHECK(outcome_of([&] { return pool.apply(square, {2}); }) == "no replacement");
    CHECK(board[arrivals] <= 12);
}

TEST_CASE("terminate ends a pool whose initializer hangs", "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    std::optional<mp::AsyncResult<int>> result;
    {
        mp::Pool<> pool({.processes = 2,
                         .initializer = mp::partial(hang_always, board.ref()),
                         .start_method = method});
        result = pool.apply_async(square, {2});
        REQUIRE(board.reaches(arrivals, 1));
        CHECK_FALSE(result->wait(20ms));
    }
    CHECK(outcome(*result, 0ms) == "CancelledError");
}
