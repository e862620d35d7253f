// SPDX-License-Identifier: BSL-1.0
// What ThreadPool does beside the calls it shares with Pool: captures, shared memory of the
// program, limits that kill nothing.
#include "pool/pool_faults.hpp"

#include <atomic>
#include <mutex>
#include <thread>

using namespace pool_test;

namespace {

std::atomic<int> initializations{0};

void count_initialization() {
    ++initializations;
}

struct ThreadError : std::runtime_error {
    int* place = nullptr;  // never leaves the process, so any type may be thrown
    using std::runtime_error::runtime_error;
};

}  // namespace

TEST_CASE("ThreadPool runs in this process and accepts captures", "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(3);
    std::mutex mutex;
    std::set<std::thread::id> threads;
    int offset = 5;
    std::atomic<int> inside{0};
    const auto list = pool.map(
        [&](int x) {
            ++inside;
            eventually([&] { return inside >= 3; });
            const std::scoped_lock guard(mutex);
            threads.insert(std::this_thread::get_id());
            return x + offset;
        },
        numbers(30), {.chunksize = 1});
    CHECK(list.size() == 30);
    CHECK(list[29] == 34);
    CHECK(threads.size() == 3);
    CHECK(threads.count(std::this_thread::get_id()) == 0);
    CHECK(pool.apply(own_pid) == ::getpid());
}

TEST_CASE("ThreadPool gives the exception object that was thrown", "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(1);
    int here = 0;
    try {
        pool.apply([&here]() -> int {
            ThreadError error("local");
            error.place = &here;
            throw error;
        });
        FAIL("nothing was thrown");
    } catch (const ThreadError& error) {
        CHECK(error.place == &here);
    }
}

TEST_CASE("ThreadPool runs its initializer once in every thread", "[pool][threads]") {
    Watch watch;
    initializations = 0;
    mp::ThreadPool pool({.processes = 3, .initializer = count_initialization});
    CHECK(pool.map(square, numbers(100)) == serial_squares(100));
    pool.close();
    pool.join();
    CHECK(initializations == 3);
}

TEST_CASE("ThreadPool's time limit gives up waiting and kills nothing", "[pool][threads]") {
    Watch watch;
    Board board;
    mp::ThreadPool pool(1);
    auto late = pool.apply_async(wait_at_gate, {board.ref()}, {.timeout = 100ms});
    CHECK(outcome(late) == "TimeoutError");
    CHECK(board[finished] == 0);
    board[gate] = 1;
    CHECK(board.reaches(finished, 1));
    CHECK(pool.apply(square, {3}) == 9);
}

TEST_CASE("ThreadPool cancels what is queued", "[pool][threads]") {
    Watch watch;
    Board board;
    mp::ThreadPool pool(1);
    auto running = pool.apply_async(wait_at_gate, {board.ref()});
    auto queued = pool.apply_async(counted_square, {Job{board.ref(), 1}});
    REQUIRE(board.reaches(arrivals, 1));
    (void)queued.cancel();
    CHECK(outcome(queued) == "CancelledError");
    board[gate] = 1;
    CHECK(outcome(running) == "value");
    pool.close();
    pool.join();
    CHECK(board[items + 1] == 0);
}

TEST_CASE("ThreadPool's destructor waits for running calls and drops queued ones",
          "[pool][threads]") {
    Watch watch;
    Board board;
    std::vector<mp::AsyncResult<int>> results;
    {
        mp::ThreadPool pool(2);
        for (int i = 0; i < 10; ++i) {
            results.push_back(pool.apply_async(wait_at_gate, {board.ref()}));
        }
        REQUIRE(board.reaches(arrivals, 2));
        board[gate] = 1;
    }
    for (auto& result : results) {
        const std::string told = outcome(result, 0ms);
        CHECK((told == "value" || told == "CancelledError"));
    }
    CHECK(board[finished] == board[arrivals]);
}

TEST_CASE("ThreadPool can be used from its own tasks", "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(2);
    std::optional<mp::AsyncResult<int>> inner;
    const int outer = pool.apply([&] {
        inner = pool.apply_async(square, {6});
        return inner->get(patience);
    });
    CHECK(outer == 36);
}
