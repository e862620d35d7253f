// SPDX-License-Identifier: BSL-1.0
// One short call submitted after the other: they travel together, and none of them lies about.
#include "pool/pool_board.hpp"

using namespace pool_test;

namespace {

using Clock = std::chrono::steady_clock;

/// Counts its execution; an item with a negative index waits at the gate first.
int count_item(const Job& job) {
    Cell* at = cells(job.board);
    if (job.index < 0)
        await_cell(job.board, gate, 1);
    at[finished].fetch_add(1);
    return job.index;
}

/// Submits so many short calls, as fast as that goes.
template <class AnyPool>
std::vector<mp::AsyncResult<int>> stream(AnyPool& pool, const Board& board, int count) {
    std::vector<mp::AsyncResult<int>> results;
    results.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        results.push_back(pool.apply_async(count_item, {Job{board.ref(), i}}));
    }
    return results;
}

}  // namespace

TEST_CASE("The last calls of a stream are executed soon although nobody waits", "[pool][stream]") {
    const Watch watch;
    mp::Pool<> pool(2);
    Board board;
    constexpr int count = 1000;
    std::vector<Clock::duration> delays;
    for (int round = 1; round <= 21; ++round) {
        const auto results = stream(pool, board, count);
        const auto submitted = Clock::now();
        REQUIRE(board.reaches(finished, round * count));
        delays.push_back(Clock::now() - submitted);
    }
    std::ranges::nth_element(delays, delays.begin() + 10);
    // A pool that looks again after its usual 100 ms is too late.
    CHECK(delays[10] < (sanitized ? 1000ms : 50ms));
}

TEST_CASE("Short calls of a stream pass one that is long", "[pool][stream]") {
    const Watch watch;
    on_process_pools(2, [](auto& pool) {
        Board board;
        (void)stream(pool, board, 3000);
        REQUIRE(board.reaches(finished, 3000));
        auto longer = pool.apply_async(count_item, {Job{board.ref(), -1}});
        auto results = stream(pool, board, 3000);
        CHECK(board.reaches(finished, 6000));
        CHECK_FALSE(longer.ready());
        board[gate] = 1;
        CHECK(longer.get(patience) == -1);
        for (int i = 0; i < 3000; ++i) {
            REQUIRE(results[static_cast<std::size_t>(i)].get(patience) == i);
        }
    });
}

TEST_CASE("A stream goes on when its workers are killed", "[pool][stream]") {
    const Watch watch;
    mp::Pool<> pool(2);
    Board board;
    const std::set<int> pids = worker_pids(pool, 2);
    REQUIRE(pids.size() == 2);
    std::vector<mp::AsyncResult<int>> results;
    for (int i = 0; i < 20000; ++i) {
        results.push_back(pool.apply_async(count_item, {Job{board.ref(), i}}));
        if (i == 7000 || i == 14000) {
            signal_to(i == 7000 ? *pids.begin() : *pids.rbegin(), SIGKILL);
        }
    }
    int lost = 0;
    for (int i = 0; i < 20000; ++i) {
        const std::string end = outcome(results[static_cast<std::size_t>(i)]);
        REQUIRE((end == "value" || end == "WorkerLostError"));
        lost += end == "WorkerLostError";
    }
    CHECK(lost <= 2);  // what a worker executed; what it had not begun is done by another one
    CHECK(board[finished] >= 20000 - 2);
}

TEST_CASE("A result in front of a long item arrives while others stream", "[pool][stream]") {
    const Watch watch;
    mp::Pool<> pool(2);
    Board board;
    (void)stream(pool, board, 3000);  // it is known that they are short
    REQUIRE(board.reaches(finished, 3000));
    std::atomic<bool> leave{false};
    std::jthread other([&] {
        for (int submitted = 3000; !leave; submitted += 100) {
            (void)stream(pool, board, 100);
            eventually([&] { return leave || board[finished] > submitted - 5000; });
        }
    });
    // They travel in one message; what the worker says at its end is not there for long.
    auto results = pool.imap(count_item, {Job{board.ref(), 7}, Job{board.ref(), -1}});
    CHECK(results.next(patience) == 7);
    leave = true;
    board[gate] = 1;
    CHECK(results.next(patience) == -1);
}

TEST_CASE("A call that is held back can be cancelled", "[pool][stream]") {
    const Watch watch;
    mp::Pool<> pool(2);
    Board board;
    for (int round = 0; round < 50; ++round) {
        auto results = stream(pool, board, 300);
        const bool cancelled = results.back().cancel();
        CHECK(outcome(results.back()) == (cancelled ? "CancelledError" : "value"));
        results.pop_back();
        for (auto& result : results) {
            REQUIRE(outcome(result) == "value");
        }
    }
}
