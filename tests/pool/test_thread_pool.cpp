// SPDX-License-Identifier: BSL-1.0
// What ThreadPool does beside the calls it shares with Pool: captures, shared memory of the
// program, limits that kill nothing.
#include "pool/pool_faults.hpp"

#include <array>
#include <atomic>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "pool/pool_processes.hpp"

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

/// What became of the items of a call: whether one was destroyed while a thread had it.
struct Watched {
    std::atomic<int> started{0};
    std::atomic<int> ended{0};
    std::atomic<bool> open{false};
    std::atomic<bool> destroyed_early{false};
    std::atomic<const void*> seen{nullptr};
};

class WatchedItem {
  public:
    explicit WatchedItem(Watched& watched) : watched_(&watched) {}
    WatchedItem(const WatchedItem& other) : watched_(other.watched_) {}
    WatchedItem& operator=(const WatchedItem&) = delete;
    ~WatchedItem() {
        if (users_ != 0) {
            watched_->destroyed_early = true;
        }
    }
    /// Uses the item until the gate opens, at most a while.
    int use(std::chrono::milliseconds limit) const {
        ++users_;
        watched_->seen = this;
        ++watched_->started;
        eventually([this] { return watched_->open.load(); }, limit);
        ++watched_->ended;
        --users_;
        return 1;
    }
    Watched& watched() const { return *watched_; }

  private:
    Watched* watched_;
    mutable std::atomic<int> users_{0};
};

int use_a_while(const WatchedItem& item) {
    return item.use(300ms);
}
int use_until_open(const WatchedItem& item) {
    return item.use(patience);
}
int interrupt_and_use(const WatchedItem& item) {
    if (eventually([&] { return item.watched().started != 0; }, 20ms)) {
        ::kill(::getpid(), SIGINT);
    }
    return item.use(300ms);
}

/// A value that cannot be copied any more once so many copies were made.
struct Brittle {
    static inline std::atomic<int> copies_left{0};
    int value = 0;
    Brittle() = default;
    explicit Brittle(int given) : value(given) {}
    Brittle(const Brittle& other) : value(other.value) {
        if (--copies_left < 0) {
            throw std::length_error("no copy");
        }
    }
    Brittle& operator=(const Brittle&) = default;
};

Brittle brittle(int x) {
    return Brittle(x);
}

using Shared = std::shared_ptr<int>;

int read_shared(const Shared& shared) {
    return *shared;
}

/// A job that counts how often its items run.
class CountingJob final : public mp::detail::local_job {
  public:
    using local_job::local_job;
    void execute(std::uint64_t) noexcept override { ++runs; }
    std::atomic<int> runs{0};

  protected:
    void keep(std::uint64_t) override {}
    void fail(std::uint64_t, const std::exception_ptr&) override {}
    void fail_rest(const std::exception_ptr&) override {}
};

}  // namespace

TEST_CASE("A ThreadPool gives items of its own to a parameter that takes them over",
          "[pool][thread_pool]") {
    mp::ThreadPool pool(2);
    const auto lengths = pool.map(
        +[](std::string&& text) { return std::move(text).size(); },
        numbers(3) | std::views::transform(
                         [](int n) { return std::string(static_cast<std::size_t>(n), 'x'); }));
    CHECK(lengths.size() == 3);
    const std::vector<std::string> texts{"a", "bc"};
    CHECK(pool.map(
              +[](std::string&& text) { return std::string(std::move(text)); }, texts) == texts);
    CHECK(pool.map(
              +[](std::string&& text) -> std::string&& { return std::move(text); }, texts) ==
          texts);
    CHECK(texts[1] == "bc");
    pool.map(
        +[](std::string&& text) { text.clear(); }, texts);
    CHECK(texts[1] == "bc");
    CHECK(pool.starmap(+[](std::string&& text, int n) { return text + std::to_string(n); },
                       {{"a", 1}, {"b", 2}}) == std::vector<std::string>{"a1", "b2"});
    using Pair = std::map<std::string, int>::value_type;  // it has no assignment
    CHECK(pool.apply([](int n) { return Pair("key", n); }, {7}) == Pair("key", 7));
    const auto values = pool.map(
        +[](std::unique_ptr<int> box) { return *box; },
        numbers(3) | std::views::transform([](int n) { return std::make_unique<int>(n); }));
    CHECK(values == numbers(3));
}

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

TEST_CASE("ThreadPool: what stands behind a late item in its chunk is done by other threads",
          "[pool][threads]") {
    Watch watch;
    Watched watched;
    std::atomic<bool> first{true};
    std::atomic<int> done{0};
    const auto late_once = [&](const WatchedItem& item) {
        if (first.exchange(false)) {
            return item.use(patience);
        }
        return ++done;
    };
    const std::vector<WatchedItem> given(8, WatchedItem(watched));
    {
        mp::ThreadPool pool(2);
        SECTION("map") {
            auto list = pool.map_async(late_once, given, {.chunksize = 4, .timeout = 100ms});
            CHECK(outcome(list, 10s) == "TimeoutError");
            CHECK(done == 7);
        }
        SECTION("map, and no more calls") {
            auto list = pool.map_async(late_once, given, {.chunksize = 8, .timeout = 100ms});
            pool.close();
            CHECK(outcome(list, 10s) == "TimeoutError");
            CHECK(done == 7);
        }
        SECTION("imap") {
            auto it = pool.imap(late_once, given, {.chunksize = 8, .timeout = 100ms});
            CHECK_THROWS_AS(it.next(10s), mp::TimeoutError);
            for (int i = 1; i < 8; ++i) {
                CHECK(outcome_of([&] { return it.next(10s); }) == "value");
            }
            CHECK(done == 7);
        }
        CHECK(watched.ended == 0);
        watched.open = true;
    }
    CHECK_FALSE(watched.destroyed_early);
}

TEST_CASE("ThreadPool: a thread does the rest of its chunk once its late item is done",
          "[pool][threads]") {
    Watch watch;
    Watched watched;
    std::atomic<int> runs{0};
    mp::ThreadPool pool(1);
    const std::vector<WatchedItem> given(4, WatchedItem(watched));
    auto list = pool.map_async(
        [&](const WatchedItem& item) {
            ++runs;
            return item.use(patience);
        },
        given, {.chunksize = 2, .timeout = 50ms});
    CHECK_FALSE(list.wait(300ms));
    CHECK(runs == 1);
    watched.open = true;
    CHECK(outcome(list) == "TimeoutError");
    CHECK(runs == 4);
    CHECK_FALSE(watched.destroyed_early);
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

// ---- items that stay with the caller

TEST_CASE("ThreadPool: a map that is interrupted waits for the items that run", "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(2);
    mp::InterruptGuard guard;
    Watched watched;
    {
        const std::vector<WatchedItem> given(6, WatchedItem(watched));
        CHECK_THROWS_AS(pool.map(interrupt_and_use, given, {.chunksize = 1}),
                        mp::KeyboardInterrupt);
    }
    CHECK_FALSE(watched.destroyed_early);
    CHECK(watched.started == watched.ended);
    CHECK(watched.started < 6);  // the rest was dropped
    CHECK(pool.map(square, numbers(10)) == serial_squares(10));
}

TEST_CASE("ThreadPool: an interrupted map of items of its own does not wait", "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(2);
    Watched watched;
    {
        mp::InterruptGuard guard;
        const std::list<WatchedItem> given(3, WatchedItem(watched));
        CHECK_THROWS_AS(pool.map(
                            [](const WatchedItem& item) {
                                ::kill(::getpid(), SIGINT);
                                return use_until_open(item);
                            },
                            given, {.chunksize = 3}),
                        mp::KeyboardInterrupt);
        CHECK(watched.ended == 0);
    }
    watched.open = true;
    pool.close();
    pool.join();
    CHECK_FALSE(watched.destroyed_early);
    CHECK(watched.ended == 1);
}

TEST_CASE("ThreadPool: a map in a callback can be interrupted while its items need a callback",
          "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(2);
    mp::InterruptGuard guard;
    std::atomic<bool> called{false};
    std::string told;
    const auto inner = [&](int x) {  // its own callback is run by the thread that waits for it
        ::kill(::getpid(), SIGINT);
        std::this_thread::sleep_for(100ms);
        (void)pool.apply_async(square, {x}, {.callback = [&](int) { called = true; }});
        eventually([&] { return called.load(); });
        return x;
    };
    auto outer = pool.apply_async(
        square, {1},
        {.callback = [&](int) { told = outcome_of([&] { return pool.map(inner, numbers(1)); }); }});
    CHECK(eventually([&] { return outer.ready(); }));
    CHECK(told == "KeyboardInterrupt");
    CHECK(called);
}

TEST_CASE("ThreadPool: a map whose pool is terminated waits for the items that run",
          "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(2);
    Watched watched;
    std::jthread ender([&] {
        eventually([&] { return watched.started == 2; });
        pool.terminate();
    });
    {
        const std::vector<WatchedItem> given(6, WatchedItem(watched));
        CHECK_THROWS_AS(pool.map(use_a_while, given, {.chunksize = 1}), mp::CancelledError);
    }
    CHECK_FALSE(watched.destroyed_early);
    CHECK(watched.started == 2);
    CHECK(watched.ended == 2);
}

TEST_CASE("ThreadPool: a map with a time limit works on copies, for it does not wait",
          "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(1);
    Watched watched;
    {
        const std::vector<WatchedItem> given(1, WatchedItem(watched));
        CHECK_THROWS_AS(pool.map(use_until_open, given, {.timeout = 50ms}), mp::TimeoutError);
        CHECK(watched.seen != &given[0]);
        watched.open = true;
        (void)pool.map(use_until_open, given);
        CHECK(watched.seen == &given[0]);  // in place else
    }
    CHECK_FALSE(watched.destroyed_early);
}

// ---- results

TEST_CASE("ThreadPool: a result that cannot be kept is its item's error", "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(1);
    SECTION("apply") {
        for (int copies = 0;; ++copies) {
            REQUIRE(copies < 20);
            Brittle::copies_left = copies;
            const std::string told = outcome_of([&] { return pool.apply(brittle, {1}).value; });
            if (told == "value") {
                break;
            }
            CHECK(told == "no copy");
        }
    }
    SECTION("map") {
        for (int copies = 0;; ++copies) {
            REQUIRE(copies < 50);
            Brittle::copies_left = copies;
            auto result = pool.map_async(brittle, numbers(4));
            const std::string told = outcome(result);
            if (told == "value") {
                CHECK(result.get()[3].value == 3);
                break;
            }
            CHECK(told == "no copy");
        }
    }
    SECTION("imap") {
        Brittle::copies_left = 1;  // one into the outcome, none into the chunk
        auto results = pool.imap(brittle, numbers(3));
        CHECK(outcome_of([&] { return results.next(); }) == "no copy");
    }
    CHECK(pool.apply(square, {3}) == 9);
}

// ---- forked copies

TEST_CASE("ThreadPool: a forked copy is refused and ends", "[pool][threads]") {
    Watch watch;
    Board board;
    mp::ThreadPool pool(1);
    auto done = pool.apply_async(square, {4});
    CHECK(done.get() == 16);
    std::optional<mp::IMapIterator<int>> rest(pool.imap(square, numbers(50)));
    CHECK(rest->next() == 0);
    auto result = pool.apply_async(wait_at_gate, {board.ref()});
    REQUIRE(board.reaches(arrivals, 1));
    std::jthread waiting([&] { result.wait(); });
    std::this_thread::sleep_for(50ms);
    std::vector<std::string> told;
    const auto ask = [&](auto call) { told.push_back(outcome_of(call)); };
    ChildProgram copy([&] {
        // the stacks of threads that are not here serve new ones, with the same handles; the thread
        // sanitizer takes that for a fault
        std::thread own;
        if (!sanitized) {
            own = std::thread([] { std::this_thread::sleep_for(200ms); });
        }
        ask([&] { return result.ready(); });
        ask([&] { return done.get(); });
        ask([&] { return result.get(); });
        ask([&] { return result.get(10s); });
        ask([&] { return result.wait(10s); });
        ask([&] { return result.cancel(); });
        ask([&] { return pool.apply(square, {3}); });
        ask([&] { return pool.map(square, numbers(3)); });
        ask([&] { return pool.imap(square, numbers(3)).next(); });
        ask([&] { return (pool.join(), 0); });
        rest.reset();
        pool.close();
        pool.terminate();
        ask([&] { return (pool.join(), 0); });
        if (!sanitized) {
            pool = mp::ThreadPool(1);
            ask([&] { return pool.apply(square, {3}); });
            ask([&] { return (own.join(), 0); });
        }
        std::vector<std::string> expected{"ValueError", "value",      "ValueError", "ValueError",
                                          "ValueError", "ValueError", "ValueError", "ValueError",
                                          "ValueError", "ValueError", "ValueError", "value",
                                          "value"};
        expected.resize(expected.size() - (sanitized ? 2 : 0));
        return told == expected ? 0 : 1;
    });
    const auto code = copy.wait();
    REQUIRE(code);
    CHECK(*code == 0);
    board[gate] = 1;
    CHECK(outcome(result) == "value");
}

// ---- submitting

TEST_CASE("ThreadPool: jobs that cannot be queued stay where they are", "[pool][threads]") {
    Watch watch;
    mp::ThreadPool pool(1);
    auto* const small = new CountingJob(mp::detail::job_limits{.items = 3});
    auto* const huge = new CountingJob(mp::detail::job_limits{.items = 1ULL << 62});
    std::array<mp::detail::counted<mp::detail::job>, 2> both{
        mp::detail::counted<mp::detail::job>(small), mp::detail::counted<mp::detail::job>(huge)};
    CHECK_THROWS(pool.backend_of_pool().running().submit(both));
    REQUIRE(both[0].get() == small);
    REQUIRE(both[1].get() == huge);
    CHECK(pool.apply(square, {3}) == 9);
    CHECK(small->runs == 0);
    CHECK(huge->runs == 0);
    auto again = both[0];
    pool.backend_of_pool().running().submit({&again, 1});
    CHECK(pool.backend_of_pool().running().wait(small->ready(), mp::detail::Deadline()));
    CHECK(small->runs == 3);
}

// ---- arguments

TEST_CASE("ThreadPool drops arguments when a call is done", "[pool][threads]") {
    Watch watch;
    Board board;
    mp::ThreadPool pool(1);
    const Shared shared = std::make_shared<int>(7);
    SECTION("done") {
        auto one = pool.apply_async(read_shared, {shared});
        CHECK(one.get() == 7);
        CHECK(shared.use_count() == 1);
        auto list = pool.map_async(read_shared, std::vector<Shared>(5, shared));
        CHECK(list.get() == std::vector<int>(5, 7));
        CHECK(shared.use_count() == 1);
        auto rows = pool.starmap_async([](const Shared& a, int b) { return *a + b; },
                                       std::vector<std::tuple<Shared, int>>(5, {shared, 1}));
        CHECK(rows.get() == std::vector<int>(5, 8));
        CHECK(shared.use_count() == 1);
        const std::vector<Shared> input(4, shared);
        auto lazy = pool.imap(read_shared, input, {.chunksize = 4});
        CHECK(lazy.next() == 7);
        CHECK(shared.use_count() == 5);
    }
    SECTION("failed") {
        auto one =
            pool.apply_async([](const Shared&) { throw std::runtime_error("no"); }, {shared});
        CHECK(outcome(one) == "no");
        CHECK(shared.use_count() == 1);
    }
    SECTION("cancelled and terminated while queued") {
        auto running = pool.apply_async(wait_at_gate, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
        auto cancelled = pool.apply_async(read_shared, {shared});
        auto list = pool.map_async(read_shared, std::vector<Shared>(5, shared));
        CHECK(shared.use_count() == 7);
        CHECK(cancelled.cancel());
        CHECK(shared.use_count() == 6);
        pool.terminate();
        CHECK(outcome(list) == "CancelledError");
        CHECK(shared.use_count() == 1);
        board[gate] = 1;
    }
    SECTION("given up while it runs: when its thread is done with it") {
        std::atomic<int> read{0};
        const auto late = [&](const Shared& given) {
            board.reaches(gate, 1);
            read = *given;
        };
        auto one = pool.apply_async(late, {shared}, {.timeout = 50ms});
        CHECK(outcome(one) == "TimeoutError");
        auto other = pool.map_async(late, std::vector<Shared>(2, shared), {.timeout = patience});
        CHECK(other.cancel());
        CHECK(shared.use_count() == 2);
        board[gate] = 1;
        CHECK(eventually([&] { return shared.use_count() == 1; }));
        CHECK(read == 7);
    }
}

TEST_CASE("ThreadPool drops arguments, results and jobs where they may use the pool",
          "[pool][threads]") {
    Watch watch;
    std::atomic<int> used{0};
    {
        mp::ThreadPool pool(1);
        // A destructor that calls the pool would wait for ever for a lock that its thread has.
        const auto guest = [&] {
            return std::shared_ptr<void>(nullptr, [&](void*) {
                (void)outcome_of([&] { return (void)pool.apply_async(square, {2}), 0; });
                ++used;
            });
        };
        using Guest = std::shared_ptr<void>;
        const auto pass = [](const Guest& given) { return given; };
        const auto read = [](const Guest&) { return 1; };
        (void)pool.apply(read, {guest()});
        CHECK(used == 1);
        std::vector<Guest> guests;
        guests.push_back(guest());
        guests.push_back(guest());
        CHECK(pool.map_async(read, std::move(guests)).get().size() == 2);
        guests.clear();
        CHECK(used == 3);
        (void)pool.apply_async(pass, {guest()});  // nobody takes the result
        CHECK(eventually([&] { return used == 4; }));
        (void)pool.apply_async(pass, {guest()}, {.callback = [](const Guest&) {}});
        CHECK(eventually([&] { return used == 5; }));
        Board board;
        auto running = pool.apply_async(wait_at_gate, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
        auto queued = pool.apply_async(read, {guest()});
        CHECK(queued.cancel());
        CHECK(used == 6);
        queued = pool.apply_async(read, {guest()});
        pool.terminate();
        CHECK(used == 7);
        board[gate] = 1;
    }
    CHECK(used == 7);
}

TEST_CASE("ThreadPool can be destroyed by its own task and callback", "[pool][threads]") {
    Watch watch;
    for (const bool in_callback : {false, true}) {
        const std::size_t before = count_threads();
        auto pool = std::make_shared<std::optional<mp::ThreadPool>>(std::in_place, 3);
        std::atomic<bool> go{false};
        const auto end = [pool, &go] {
            eventually([&] { return go.load(); });
            pool->reset();
        };
        if (in_callback) {
            (void)(*pool)->apply_async(square, {1}, {.callback = [end](int) { end(); }});
        } else {
            (void)(*pool)->apply_async(end);
        }
        pool.reset();
        go = true;
        CHECK(eventually([&] { return count_threads() == before; }));
    }
}
