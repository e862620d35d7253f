// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestPool: imap, imap_unordered, empty inputs, ends of a pool,
// exceptions from workers.
#include "pool/pool_board.hpp"
#include "pool/pool_processes.hpp"

#include <ranges>

using namespace pool_test;

namespace {

struct ParityError : std::runtime_error {
    int code = 0;
    ParityError() : std::runtime_error("parity") {}
    explicit ParityError(int c) : std::runtime_error("parity"), code(c) {}
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& code;
    }
};
[[maybe_unused]] const bool parity_error_known = mp::register_exception<ParityError>();

int throw_parity(int code) {
    throw ParityError(code);
}

int throw_runtime(int code) {
    throw std::runtime_error("the answer was " + std::to_string(code));
}

/// 0, 1, ... and an exception in place of `bad`.
auto broken_input(int bad) {
    return std::views::iota(0, 20) | std::views::transform([bad](int i) {
               if (i == bad) {
                   throw std::out_of_range("the input ends badly");
               }
               return i;
           });
}

}  // namespace

TEST_CASE("_TestPool.test_imap: order, chunksize 1 and 100, the end of the iteration",
          "[parity][pool][imap]") {
    on_every_pool(4, [](auto& pool) {
        std::vector<int> all;
        for (int r : pool.imap(square, numbers(10))) {
            all.push_back(r);
        }
        CHECK(all == serial_squares(10));

        auto one = pool.imap(square, numbers(10));
        for (int i = 0; i < 10; ++i) {
            const std::optional<int> item = one.next();
            REQUIRE(item);
            CHECK(*item == i * i);
        }
        CHECK_FALSE(one.next());
        CHECK_FALSE(one.next());

        auto many = pool.imap(square, numbers(1000), {.chunksize = 100});
        for (int i = 0; i < 1000; ++i) {
            const std::optional<int> item = many.next(patience);
            REQUIRE(item);
            REQUIRE(*item == i * i);
        }
        CHECK_FALSE(many.next(patience));
    });
}

TEST_CASE("_TestPool.test_imap_handle_iterable_exception: earlier results come, then the error",
          "[parity][pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        for (const int bad : {0, 1, 10, 19}) {
            auto it = pool.imap(square, broken_input(bad));
            for (int i = 0; i < bad; ++i) {
                const auto item = it.next();
                REQUIRE(item);
                CHECK(*item == i * i);
            }
            CHECK_THROWS_AS(it.next(), std::out_of_range);
        }
        auto it = pool.imap(square, broken_input(10), {.chunksize = 4});
        int delivered = 0;
        const std::string end = outcome_of([&] {
            while (auto item = it.next()) {
                if (*item != delivered * delivered) {
                    throw std::logic_error("a wrong item");
                }
                ++delivered;
            }
        });
        CHECK(end == "the input ends badly");
        CHECK(delivered >= 8);  // the chunks before the bad item are whole
        CHECK(delivered <= 10);
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    });
}

TEST_CASE("_TestPool.test_imap_unordered: the same results in any order", "[parity][pool][imap]") {
    on_every_pool(4, [](auto& pool) {
        for (const int chunksize : {1, 7, 100}) {
            std::vector<int> all;
            for (int r : pool.imap_unordered(square, numbers(500), {.chunksize = chunksize})) {
                all.push_back(r);
            }
            std::sort(all.begin(), all.end());
            CHECK(all == serial_squares(500));
        }
    });
}

TEST_CASE("_TestPool.test_imap_unordered_handle_iterable_exception: no hang, right items",
          "[parity][pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        for (const int bad : {0, 10}) {
            auto it = pool.imap_unordered(square, broken_input(bad));
            std::set<int> seen;
            const std::string end = outcome_of([&] {
                while (auto item = it.next()) {
                    seen.insert(*item);
                }
            });
            CHECK(end == "the input ends badly");
            for (const int item : seen) {
                CHECK(item < bad * bad);
            }
        }
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    });
}

TEST_CASE("_TestPool.test_make_pool: sizes below 1 are refused, 3 makes three workers",
          "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    CHECK_THROWS_AS(mp::Pool<>({.processes = 0, .start_method = method}), mp::ValueError);
    CHECK_THROWS_AS(mp::Pool<>({.processes = -1, .start_method = method}), mp::ValueError);
    CHECK_THROWS_AS(mp::ThreadPool({.processes = 0}), mp::ValueError);
    CHECK_THROWS_AS(mp::ThreadPool({.processes = -1}), mp::ValueError);
    mp::Pool<> pool({.processes = 3, .start_method = method});
    CHECK(worker_pids(pool, 3).size() == 3);
}

TEST_CASE("_TestPool.test_terminate: returns with 10000 long calls pending", "[parity][pool]") {
    on_process_pools(4, [](auto& pool) {
        Board board;
        std::vector<BoardRef> all(10000, board.ref());
        auto result = pool.map_async(wait_at_gate, all, {.chunksize = 1});
        REQUIRE(board.reaches(arrivals, 4));
        const auto start = std::chrono::steady_clock::now();
        pool.terminate();
        pool.join();
        CHECK(std::chrono::steady_clock::now() - start < patience);
        CHECK(outcome(result) == "CancelledError");
        CHECK(board[finished] == 0);
        CHECK(board[arrivals] <= 4);
    });
}

TEST_CASE("_TestPool.test_terminate: a ThreadPool drops what is queued and lets finish what runs",
          "[parity][pool]") {
    Watch watch;
    Board board;
    mp::ThreadPool pool({.processes = 2});
    auto running =
        pool.map_async(wait_at_gate, std::vector<BoardRef>(2, board.ref()), {.chunksize = 1});
    auto queued = pool.map_async(counted_square, jobs(board, 10000), {.chunksize = 1});
    REQUIRE(board.reaches(arrivals, 2));
    pool.terminate();
    CHECK(outcome(queued) == "CancelledError");
    CHECK(outcome(running) == "CancelledError");
    CHECK(board[finished] == 0);
    board[gate] = 1;
    pool.join();
    CHECK(board[finished] == 2);
    std::int64_t executed = 0;
    for (std::size_t i = 0; i < 10000; ++i) {
        executed += board[items + i];
    }
    CHECK(executed == 0);
}

TEST_CASE("_TestPool.test_empty_iterable: every call accepts an empty input", "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        const std::vector<int> none;
        CHECK(pool.map(square, none).empty());
        CHECK_FALSE(pool.imap(square, none).next());
        CHECK_FALSE(pool.imap_unordered(square, none).next());
        auto result = pool.map_async(square, none);
        REQUIRE(result.wait(patience));
        CHECK(result.get().empty());
        CHECK(pool.starmap(multiply, std::vector<std::pair<int, int>>{}).empty());
    });
}

TEST_CASE("_TestPool.test_context: a pool that was ended refuses work", "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        CHECK(pool.map(square, numbers(20)) == serial_squares(20));
        pool.terminate();
        pool.join();
        CHECK_THROWS_AS(pool.map_async(square, numbers(20)), mp::ValueError);
    });
}

TEST_CASE("_TestPool.test_traceback: a remote exception keeps type, text and origin",
          "[parity][pool]") {
    on_process_pools(1, [](auto& pool) {
        const int worker = pool.apply(own_pid);
        bool caught = false;
        try {
            pool.apply(throw_parity, {1729});
        } catch (const ParityError& error) {
            caught = true;
            CHECK(error.code == 1729);
            const auto* remote = dynamic_cast<const mp::RemoteException*>(&error);
            REQUIRE(remote);
            CHECK_THAT(remote->type_name(), Catch::Contains("ParityError"));
            CHECK(remote->pid() == worker);
            CHECK_FALSE(remote->process_name().empty());
            CHECK_FALSE(std::string(remote->what()).empty());
        }
        CHECK(caught);
        // the input's own error happened here: it is no remote exception
        bool local = false;
        try {
            pool.map(square, broken_input(3));
        } catch (const std::out_of_range& error) {
            local = dynamic_cast<const mp::RemoteException*>(&error) == nullptr;
        }
        CHECK(local);
    });
}

TEST_CASE("_TestPool.test_wrapped_exception: the type arrives from a pool of one worker",
          "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        try {
            pool.apply(throw_runtime, {42});
            FAIL("nothing was thrown");
        } catch (const std::runtime_error& error) {
            CHECK(std::string(error.what()) == "the answer was 42");
        }
        CHECK_THROWS_AS(pool.map(throw_parity, numbers(3)), ParityError);
    });
}

TEST_CASE("_TestPool.test_enter: a terminated pool cannot be used again", "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        pool.terminate();
        CHECK_THROWS_AS(pool.apply(square, {1}), mp::ValueError);
        CHECK_THROWS_AS(pool.map(square, numbers(3)), mp::ValueError);
        CHECK_THROWS_AS(pool.imap(square, numbers(3)), mp::ValueError);
        pool.join();
        pool.terminate();  // again is harmless
        pool.close();
        CHECK_THROWS_AS(pool.apply_async(square, {1}), mp::ValueError);
    });
}

TEST_CASE("_TestPool.test_resource_warning: dropping a running pool terminates and joins it",
          "[parity][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    std::set<int> pids;
    std::optional<mp::AsyncResult<int>> result;
    {
        mp::Pool<> pool({.processes = 2, .start_method = method});
        pids = worker_pids(pool, 2);
        result = pool.apply_async(wait_at_gate, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
    }
    CHECK(pids.size() == 2);
    CHECK(all_gone(pids));
    CHECK(outcome(*result) == "CancelledError");
    CHECK(board[finished] == 0);
}

TEST_CASE(
    "_TestPool imap buffersize family: a bounded draw, infinite input, close and join after "
    "partial consumption",
    "[parity][pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        int drawn = 0;
        auto counting = std::views::iota(0) | std::views::transform([&drawn](int i) {
                            ++drawn;
                            return i;
                        });
        auto it = pool.imap(square, counting, {.chunksize = 1, .buffersize = 8});
        CHECK(drawn <= 8);
        for (int i = 0; i < 100; ++i) {
            REQUIRE(it.next(patience) == i * i);
            REQUIRE(drawn <= i + 1 + 8);
        }
        pool.close();
        pool.join();  // a consumer that stopped half way holds nobody up
        SUCCEED();
    });
}
