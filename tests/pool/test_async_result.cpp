// SPDX-License-Identifier: BSL-1.0
// AsyncResult: values, errors, copies, callbacks, cancelling, and a life longer than its pool's.
#include "pool/pool_faults.hpp"

#include <sys/wait.h>

#include <atomic>
#include <type_traits>

using namespace pool_test;

namespace {

std::vector<int> many(int count) {
    return numbers(count);
}

std::unique_ptr<int> boxed(int value) {
    return std::make_unique<int>(value);
}

struct Link {
    int value = 0;
    mp::AsyncResult<std::shared_ptr<Link>> next;
};

struct Branch {
    int value = 0;
    std::vector<std::unique_ptr<Branch>> branches;
};
Branch branch_out(int value) {
    Branch grown{value, {}};
    if (value > 0)
        grown.branches.push_back(std::make_unique<Branch>(branch_out(value - 1)));
    return grown;
}

void mark(BoardRef board, int index) {
    cells(board)[items + static_cast<std::size_t>(index)].fetch_add(1);
}

void mark_job(const Job& job) {
    mark(job.board, job.index);
}

void fail_silently(int) {
    throw std::runtime_error("void failed");
}

struct AsyncResultError : std::runtime_error {
    std::vector<int> details;
    std::string place;
    AsyncResultError() : std::runtime_error("details inside") {}
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& details& place;
    }
};
[[maybe_unused]] const bool error_is_known = mp::register_exception<AsyncResultError>();

int throw_details(int n) {
    AsyncResultError error;
    error.details = numbers(n);
    error.place = "there";
    throw error;
}

struct UnregisteredError : std::exception {
    const char* what() const noexcept override { return "nobody registered me"; }
};

int throw_unregistered(int) {
    throw UnregisteredError();
}

int throw_an_int(int x) {
    throw x;
}

template <class E>
int throw_standard(int) {
    throw E("standard text");
}

int throw_system_error(int) {
    throw std::system_error(ENOENT, std::generic_category(), "opening");
}

}  // namespace

static_assert(std::is_copy_constructible_v<mp::AsyncResult<int>>);
static_assert(std::is_same_v<decltype(std::declval<mp::AsyncResult<int>&>().get()), const int&>);
static_assert(std::is_same_v<decltype(std::declval<mp::AsyncResult<int>>().get()), int>);

TEST_CASE("AsyncResult.get gives a reference to one value, copies name the same call",
          "[pool][async_result]") {
    on_every_pool(2, [](auto& pool) {
        auto result = pool.apply_async(many, {1000});
        const auto copy = result;
        CHECK(&result.get() == &result.get());
        CHECK(copy.get() == numbers(1000));
        CHECK(&copy.get() == &result.get());
        CHECK(copy.ready());
    });
}

TEST_CASE("AsyncResult.get on an rvalue moves the value out, from the last copy alone",
          "[pool][async_result]") {
    on_every_pool(2, [](auto& pool) {
        std::unique_ptr<int> box = pool.apply_async(boxed, {7}).get();
        REQUIRE(box);
        CHECK(*box == 7);

        auto result = pool.apply_async(many, {1000});
        auto copy = result;
        CHECK(std::move(copy).get() == numbers(1000));
        CHECK(result.get() == numbers(1000));  // the other copy still has it
        CHECK(std::move(result).get(patience) == numbers(1000));
    });
}

TEST_CASE("AsyncResult: a handle is assigned one that lies in its own result",
          "[pool][threads][async_result]") {
    mp::ThreadPool pool(1);
    for (const bool moves : {false, true}) {
        mp::AsyncResult<std::shared_ptr<Link>> at;
        for (int i = 0; i < 100; ++i)
            at = pool.apply_async(
                [next = at](int value) {
                    return std::make_shared<Link>(Link{value, next});
                },
                {i});
        for (int i = 99; i > 0; --i) {
            REQUIRE(at.get(patience)->value == i);
            if (moves)
                at = std::move(at.get()->next);
            else
                at = at.get()->next;
        }
        CHECK(at.get()->value == 0);
    }
}

// A vector of unique_ptr says that it can be copied, and does not compile where it is.
TEST_CASE("Results hold containers of what can only be moved", "[pool][async_result]") {
    on_every_pool(2, [](auto& pool) {
        const std::vector<std::unique_ptr<int>> boxes = pool.map(boxed, {1, 2, 3});
        REQUIRE(boxes.size() == 3);
        CHECK(*boxes[2] == 3);
        CHECK(*pool.map_async(boxed, {4, 5}).get()[1] == 5);
        const auto pending = pool.map_async(boxed, {6});
        CHECK(*pending.get()[0] == 6);
        auto other = pending;
        CHECK_THROWS_AS(std::move(other).get(), mp::ValueError);  // it is not the only owner

        const Branch grown = pool.apply(branch_out, {2});
        REQUIRE(grown.branches.size() == 1);
        REQUIRE(grown.branches[0]->branches.size() == 1);
        CHECK(grown.branches[0]->branches[0]->value == 0);
    });
}

TEST_CASE("AsyncResult of a void function has get without a value and a callback without parameter",
          "[pool][async_result]") {
    on_every_pool(2, [](auto& pool) {
        Board board;
        std::atomic<int> called{0};
        mp::AsyncResult<void> result =
            pool.apply_async(mark, {board.ref(), 3}, {.callback = [&] { ++called; }});
        result.get(patience);
        CHECK(board[items + 3] == 1);
        CHECK(called == 1);
        CHECK(result.successful());
        pool.apply(mark, {board.ref(), 4});
        CHECK(board[items + 4] == 1);
        pool.map(mark_job, jobs(board, 3));
        CHECK(board[items + 0] == 1);
        CHECK(board[items + 2] == 1);
        auto all = pool.map_async(mark_job, jobs(board, 3), {.callback = [&] { ++called; }});
        all.get(patience);
        CHECK(called == 2);
        CHECK_THROWS_AS(pool.apply(fail_silently, {1}), std::runtime_error);
        CHECK_THROWS_AS(pool.map(fail_silently, numbers(4)), std::runtime_error);
    });
}

TEST_CASE("AsyncResult.get throws the standard's exceptions with their type and text",
          "[pool][async_result]") {
    on_process_pools(1, [](auto& pool) {
        CHECK_THROWS_AS(pool.apply(throw_standard<std::runtime_error>, {1}), std::runtime_error);
        CHECK_THROWS_AS(pool.apply(throw_standard<std::logic_error>, {1}), std::logic_error);
        CHECK_THROWS_AS(pool.apply(throw_standard<std::invalid_argument>, {1}),
                        std::invalid_argument);
        CHECK_THROWS_AS(pool.apply(throw_standard<std::domain_error>, {1}), std::domain_error);
        CHECK_THROWS_AS(pool.apply(throw_standard<std::length_error>, {1}), std::length_error);
        CHECK_THROWS_AS(pool.apply(throw_standard<std::out_of_range>, {1}), std::out_of_range);
        CHECK_THROWS_AS(pool.apply(throw_standard<std::range_error>, {1}), std::range_error);
        CHECK_THROWS_AS(pool.apply(throw_standard<std::overflow_error>, {1}), std::overflow_error);
        CHECK_THROWS_AS(pool.apply(throw_standard<std::underflow_error>, {1}),
                        std::underflow_error);
        CHECK_THROWS_AS(pool.apply(throw_standard<mp::ValueError>, {1}), mp::ValueError);
        CHECK_THROWS_AS(pool.apply(throw_standard<mp::Empty>, {1}), mp::Empty);
        CHECK_THROWS_WITH(pool.apply(throw_standard<std::range_error>, {1}), "standard text");
        try {
            pool.apply(throw_system_error, {1});
            FAIL("nothing was thrown");
        } catch (const std::system_error& error) {
            CHECK(error.code() == std::errc::no_such_file_or_directory);
            CHECK_THAT(error.what(), Catch::Contains("opening"));
        }
    });
}

TEST_CASE("AsyncResult.get throws a registered exception with its members",
          "[pool][async_result]") {
    on_process_pools(1, [](auto& pool) {
        auto result = pool.apply_async(throw_details, {3});
        for (int round = 0; round < 2; ++round) {
            try {
                (void)result.get(patience);
                FAIL("nothing was thrown");
            } catch (const AsyncResultError& error) {
                CHECK(error.details == numbers(3));
                CHECK(error.place == "there");
                CHECK(dynamic_cast<const mp::RemoteException*>(&error) != nullptr);
            }
        }
        CHECK_THROWS_AS(pool.apply(throw_details, {3}), mp::RemoteException);
        CHECK_THROWS_AS(pool.apply(throw_details, {3}), std::exception);
    });
}

TEST_CASE("AsyncResult.get throws RemoteError for a type that nobody registered",
          "[pool][async_result]") {
    on_process_pools(1, [](auto& pool) {
        const int worker = pool.apply(own_pid);
        try {
            pool.apply(throw_unregistered, {1});
            FAIL("nothing was thrown");
        } catch (const mp::RemoteError& error) {
            CHECK_THAT(error.type_name(), Catch::Contains("UnregisteredError"));
            CHECK_THAT(error.what(), Catch::Contains("nobody registered me"));
            CHECK(error.pid() == worker);
        }
        try {
            pool.apply(throw_an_int, {5});
            FAIL("nothing was thrown");
        } catch (const mp::RemoteError& error) {
            CHECK_THAT(error.type_name(), Catch::Contains("int"));
        }
        CHECK(pool.apply(own_pid) == worker);  // nobody died of it
    });
}

TEST_CASE("AsyncResult that outlives its pool keeps its value or throws CancelledError",
          "[pool][async_result]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    Board board;
    std::vector<mp::AsyncResult<int>> results;
    std::vector<mp::AsyncResult<std::vector<int>>> lists;
    {
        mp::Pool<> pool({.processes = 1, .start_method = method});
        results.push_back(pool.apply_async(square, {6}));
        REQUIRE(results.back().wait(patience));
        results.push_back(pool.apply_async(wait_at_gate, {board.ref()}));
        results.push_back(pool.apply_async(square, {7}));
        lists.push_back(pool.map_async(square, numbers(100)));
        REQUIRE(board.reaches(arrivals, 1));
    }
    CHECK(results[0].get() == 36);
    CHECK_THROWS_AS(results[1].get(), mp::CancelledError);
    CHECK_THROWS_AS(results[2].get(), mp::CancelledError);
    CHECK_THROWS_AS(lists[0].get(), mp::CancelledError);
    CHECK(results[1].ready());
    CHECK_FALSE(results[1].successful());
    (void)results[1].cancel();
}

TEST_CASE("AsyncResult.cancel of a map drops what is queued and ends what runs",
          "[pool][async_result]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        const std::vector<BoardRef> all(100, board.ref());
        auto result = pool.map_async(wait_at_gate, all, {.chunksize = 1});
        REQUIRE(board.reaches(arrivals, 2));
        (void)result.cancel();
        CHECK(outcome(result) == "CancelledError");
        CHECK(pool.map(square, numbers(30)) == serial_squares(30));
        CHECK(board[arrivals] == 2);
        CHECK(board[finished] == 0);
    });
}

TEST_CASE("A callback may submit to its pool", "[pool][async_result]") {
    on_every_pool(1, [](auto& pool) {
        std::optional<mp::AsyncResult<int>> second;
        auto first = pool.apply_async(square, {3}, {.callback = [&](const int& nine) {
                                          second = pool.apply_async(square, {nine});
                                      }});
        REQUIRE(first.wait(patience));
        REQUIRE(second);
        CHECK(second->get(patience) == 81);
    });
}

TEST_CASE("A callback may terminate its pool", "[pool][async_result]") {
    on_every_pool(2, [](auto& pool) {
        std::atomic<bool> called{false};
        auto first = pool.apply_async(square, {3}, {.callback = [&](const int&) {
                                          pool.terminate();
                                          called = true;
                                      }});
        CHECK(eventually([&] { return called.load(); }));
        CHECK(outcome(first) != "pending");
        CHECK_THROWS_AS(pool.apply_async(square, {3}), mp::ValueError);
        pool.join();
    });
}

TEST_CASE("An error callback that throws harms nobody else", "[pool][async_result]") {
    on_every_pool(1, [](auto& pool) {
        auto bad = pool.apply_async(fail_on_odd, {1}, {.error_callback = [](std::exception_ptr) {
                                        throw std::logic_error("error callback");
                                    }});
        CHECK(outcome(bad) != "pending");
        CHECK(outcome(bad) != "value");
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    });
}

TEST_CASE("A callback that never returns holds up callbacks, not workers", "[pool][async_result]") {
    on_process_pools(1, [](auto& pool) {
        Board board;
        auto slow = pool.apply_async(square, {2},
                                     {.callback = [&](const int&) { board.reaches(gate, 1); }});
        auto job = pool.apply_async(counted_square, {Job{board.ref(), 5}});
        CHECK(board.reaches(items + 5, 1));
        board[gate] = 1;
        CHECK(outcome(slow) == "value");
        CHECK(job.get(patience) == 25);
    });
}

TEST_CASE("AsyncResult.ready in a forked copy throws and takes no result from the parent",
          "[pool][async_result]") {
    Board board;
    mp::Pool pool(1);
    auto result = pool.apply_async(wait_at_gate, {board.ref()});
    REQUIRE(eventually([&] { return board[arrivals].load() == 1; }));
    const pid_t child = test_support::fork_child([&] {
        const auto end = std::chrono::steady_clock::now() + 300ms;
        board[gate] = 1;
        bool refused = true;
        while (std::chrono::steady_clock::now() < end) {
            try {
                (void)result.ready();
                refused = false;
            } catch (const mp::ValueError&) {
            }
        }
        return refused ? 0 : 1;
    });
    CHECK(test_support::end_of(child) == 0);
    CHECK(outcome(result) == "value");
    CHECK(pool.apply(square, {3}) == 9);
}
