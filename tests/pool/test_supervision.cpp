// SPDX-License-Identifier: BSL-1.0
// Who looks after a pool while nobody asks it for anything, or everybody is busy.
#include <ctime>

#include "pool/pool_faults.hpp"

using namespace pool_test;

namespace {

using Clock = std::chrono::steady_clock;

/// How long each of several rounds took, the shortest first.
template <class Round>
std::vector<std::chrono::milliseconds> times_of(int rounds, Round round) {
    std::vector<std::chrono::milliseconds> times;
    for (int i = 0; i < rounds; ++i) {
        const auto begin = Clock::now();
        round();
        times.push_back(
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin));
    }
    std::ranges::sort(times);
    return times;
}
/// What load adds is not counted.
template <class Round>
std::chrono::milliseconds shortest_of(int rounds, Round round) {
    return times_of(rounds, round).front();
}

/// What this process computes while half a second passes.
std::chrono::milliseconds cpu_time_of_half_a_second() {
    const auto now = [] { return std::clock() / (CLOCKS_PER_SEC / 1000); };
    const auto before = now();
    std::this_thread::sleep_for(500ms);
    return std::chrono::milliseconds(now() - before);
}

int sleep_and_return(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    return milliseconds;
}

/// A call whose callback is busy until it is told to end.
class BusyCallback {
  public:
    template <class AnyPool>
    explicit BusyCallback(AnyPool& pool)
        : call_(pool.apply_async(square, {2}, {.callback = [this](const int&) {
                                     busy_ = true;
                                     eventually([&] { return leave_.load(); }, 3 * patience);
                                 }})) {}

    bool begins() {
        return eventually([&] { return busy_.load(); });
    }
    /// @returns whether the call had its result
    bool ends() {
        leave_ = true;
        return call_.get(patience) == 4;
    }

  private:
    std::atomic<bool> busy_{false};
    std::atomic<bool> leave_{false};
    mp::AsyncResult<int> call_;
};

void never_ready() {
    throw std::runtime_error("never ready");
}

}  // namespace

TEST_CASE("A pool whose initializer failed waits without computing", "[pool][supervision]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    mp::Pool<> pool({.processes = 2, .initializer = never_ready, .start_method = method});
    auto timed = pool.apply_async(square, {3}, {.timeout = 100ms});
    CHECK(outcome(timed) == "never ready");
    CHECK(outcome_of([&] { return pool.apply(square, {3}, {.timeout = 100ms}); }) == "never ready");
    std::this_thread::sleep_for(100ms);
    CHECK(cpu_time_of_half_a_second() < 100ms);
}

TEST_CASE("A pool that lost its server waits without computing, whoever has copies of descriptors",
          "[pool][supervision]") {
    on_process_pools(1, [](auto& pool) {
        const int server = pool.apply(parent_pid);
        const ChildProgram keeps_copies([] { return ::pause(); });
        signal_to(server, SIGKILL);
        CHECK(eventually([&] { return outcome_of([&] { pool.apply(square, {2}); }) != "value"; }));
        CHECK(cpu_time_of_half_a_second() < 100ms);
    });
}

TEST_CASE("A short time limit is kept although the pool's thread has just looked",
          "[pool][supervision]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        const auto wait_too_long = [&] {
            CHECK(pool.apply(square, {3}, {.timeout = patience}) == 9);
            auto late = pool.apply_async(wait_at_gate, {board.ref()}, {.timeout = 10ms});
            CHECK(outcome(late) == "TimeoutError");
        };
        CHECK(shortest_of(11, wait_too_long) < 60ms);
    });
}

TEST_CASE("A short time limit is kept behind a call that has none", "[pool][supervision]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        const auto wait_too_long = [&] {
            auto untimed = pool.apply_async(sleep_and_return, {20});
            auto late = pool.apply_async(wait_at_gate, {board.ref()}, {.timeout = 10ms});
            CHECK(untimed.get(patience) == 20);
            CHECK(outcome(late) == "TimeoutError");
        };
        CHECK(shortest_of(11, wait_too_long) < 80ms);
    });
}

TEST_CASE("An item whose result nobody wants any more keeps its time limit",
          "[pool][supervision]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        {
            auto dropped = pool.imap(wait_at_gate, std::vector{board.ref()}, {.timeout = 300ms});
            CHECK_THROWS_AS(dropped.next(1ms), mp::TimeoutError);
            REQUIRE(board.reaches(arrivals, 1));
        }
        CHECK(outcome(pool.apply_async(square, {3})) == "value");
    });
}

TEST_CASE("A short time limit is kept while a callback waits", "[pool][supervision]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        std::chrono::milliseconds shortest{0};
        const auto wait_too_long = [&] {
            auto late = pool.apply_async(wait_at_gate, {board.ref()}, {.timeout = 10ms});
            (void)outcome(late);
        };
        auto first = pool.apply_async(square, {2}, {.callback = [&](const int&) {
                                          shortest = shortest_of(5, wait_too_long);
                                      }});
        CHECK(first.get(patience) == 4);
        CHECK(shortest < 60ms);
    });
}

TEST_CASE("Workers are replaced at once while a callback waits for calls", "[pool][supervision]") {
    Watch watch;
    mp::Pool<> pool({.processes = 1, .maxtasksperchild = 1});
    std::chrono::milliseconds shortest{0};
    auto first = pool.apply_async(square, {2}, {.callback = [&](const int&) {
                                      shortest =
                                          shortest_of(5, [&] { (void)pool.apply(square, {3}); });
                                  }});
    CHECK(first.get(patience) == 4);
    CHECK(shortest < 60ms);
}

TEST_CASE("Deaths and time limits are noticed by who waits while a callback is busy",
          "[pool][supervision]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        BusyCallback callback(pool);
        REQUIRE(callback.begins());
        auto lost = pool.apply_async(square_or_die, {Mortal{1, Death::kill}});
        CHECK(outcome(lost) == "WorkerLostError");
        auto late = pool.apply_async(wait_at_gate, {board.ref()}, {.timeout = 50ms});
        CHECK(outcome(late) == "TimeoutError");
        CHECK(pool.apply(square, {3}) == 9);
        auto open = pool.apply_async(wait_at_gate, {board.ref()});
        pool.terminate();
        CHECK(outcome(open) == "CancelledError");
        CHECK(callback.ends());
    });
}

TEST_CASE("ThreadPool: a time limit ends the wait for a call while a callback is busy",
          "[pool][threads][supervision]") {
    Watch watch;
    mp::ThreadPool pool({.processes = 2});
    Board board;
    BusyCallback callback(pool);
    REQUIRE(callback.begins());
    auto late = pool.apply_async(wait_at_gate, {board.ref()}, {.timeout = 50ms});
    CHECK(outcome(late) == "TimeoutError");
    board[gate] = 1;
    CHECK(callback.ends());
}

TEST_CASE("Who waits for answers hands that on when its own time is up", "[pool][supervision]") {
    Watch watch;
    mp::Pool<> pool(2);
    Board board;
    auto other = pool.apply_async(wait_at_gate, {board.ref()});
    const auto pass_on = [&] {
        auto result = pool.apply_async(sleep_and_return, {80});
        std::vector<std::jthread> impatient;
        for (int i = 0; i < 3; ++i) {
            impatient.emplace_back([&] { (void)other.wait(60ms); });
        }
        std::this_thread::sleep_for(10ms);
        (void)result.wait(patience);
    };
    const auto median = times_of(21, pass_on)[10];
    CHECK(median < (sanitized ? 1000ms : 95ms));  // those who leave would cost up to 30 ms
    board[gate] = 1;
    CHECK(outcome(other) == "value");
}

TEST_CASE("close and terminate in a forked copy return", "[pool][supervision]") {
    Watch watch;
    mp::Pool<> pool(1);
    std::atomic<bool> leave{false};
    std::thread submitter([&] {
        while (!leave) {
            (void)pool.apply_async(square, {3});
        }
    });
    bool all_ended = true;
    for (int i = 0; i < 100 && all_ended; ++i) {
        ChildProgram copy([&] {
            pool.close();
            pool.terminate();
            return 0;
        });
        all_ended = copy.wait() == 0;
    }
    leave = true;
    submitter.join();
    CHECK(all_ended);
}
