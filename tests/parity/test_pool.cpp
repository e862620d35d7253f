// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestPool: apply, map, starmap and their async forms.
#include "pool/pool_board.hpp"
#include "pool/pool_processes.hpp"

#include <atomic>
#include <ranges>

using namespace pool_test;

namespace {

std::vector<std::pair<int, int>> pairs(int count) {
    std::vector<std::pair<int, int>> list;
    for (int i = 0; i < count; ++i) {
        list.emplace_back(i, count - i);
    }
    return list;
}

std::vector<int> serial_products(int count) {
    std::vector<int> list;
    for (const auto& [a, b] : pairs(count)) {
        list.push_back(a * b);
    }
    return list;
}

/// Cannot be turned into bytes.
struct Unsaveable {
    int value = 0;
    template <class Archive>
    void serialize(Archive&, unsigned) {
        if constexpr (Archive::is_saving::value) {
            throw std::runtime_error("this value stays at home");
        }
    }
};

int value_of(const Unsaveable& item) {
    return item.value;
}

/// Counts its living objects in this process.
struct Counted {
    int value = 0;
    static inline std::atomic<int> alive{0};
    Counted() { ++alive; }
    explicit Counted(int v) : value(v) { ++alive; }
    Counted(const Counted& other) : value(other.value) { ++alive; }
    Counted& operator=(const Counted&) = default;
    ~Counted() { --alive; }
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& value;
    }
};

int value_of_counted(const Counted& item) {
    return item.value;
}

Counted counted_again(const Counted& item) {
    return Counted(item.value + 1);
}

std::string throw_large_text(const Job& job) {
    cells(job.board)[finished].fetch_add(1);
    throw std::runtime_error(std::string(1 << 20, 'x'));
}

}  // namespace

TEST_CASE("_TestPool.test_apply: apply returns what the function returns", "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        CHECK(pool.apply(square, {5}) == 25);
        CHECK(pool.apply(multiply, {6, 7}) == 42);
        for (int i = 0; i < 100; ++i) {
            REQUIRE(pool.apply(square, {i}) == i * i);
        }
    });
}

TEST_CASE("_TestPool.test_map: map with and without chunksize equals the serial map",
          "[parity][pool]") {
    on_every_pool(4, [](auto& pool) {
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
        CHECK(pool.map(square, numbers(100), {.chunksize = 20}) == serial_squares(100));
        CHECK(pool.map(square, numbers(1000)) == serial_squares(1000));
        CHECK(pool.map(square, {3, 1, 2}) == std::vector<int>{9, 1, 4});
    });
}

TEST_CASE("_TestPool.test_starmap: each tuple is spread over the parameters", "[parity][pool]") {
    on_every_pool(4, [](auto& pool) {
        CHECK(pool.starmap(multiply, pairs(10)) == serial_products(10));
        CHECK(pool.starmap(multiply, pairs(100), {.chunksize = 20}) == serial_products(100));
        CHECK(pool.starmap(multiply, {{2, 10}, {3, 2}}) == std::vector<int>{20, 6});
        const std::vector<std::tuple<int, int>> tuples{{4, 5}, {6, 7}};
        CHECK(pool.starmap(multiply, tuples) == std::vector<int>{20, 42});
    });
}

TEST_CASE("_TestPool.test_starmap_async: get gives the serial result", "[parity][pool]") {
    on_every_pool(4, [](auto& pool) {
        auto result = pool.starmap_async(multiply, pairs(100));
        REQUIRE(result.wait(patience));
        CHECK(result.get() == serial_products(100));
    });
}

TEST_CASE("_TestPool.test_map_async: get gives the serial result", "[parity][pool]") {
    on_every_pool(4, [](auto& pool) {
        auto result = pool.map_async(square, numbers(10));
        REQUIRE(result.wait(patience));
        CHECK(result.get() == serial_squares(10));
        CHECK(result.successful());
    });
}

TEST_CASE("_TestPool.test_map_async_callbacks: one callback with the list or one with the error",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        std::vector<std::vector<int>> lists;
        std::vector<std::string> errors;
        auto good = pool.map_async(
            square, numbers(50),
            {.chunksize = 3,
             .callback = [&](const std::vector<int>& list) { lists.push_back(list); },
             .error_callback = [&](std::exception_ptr) { errors.push_back("unexpected"); }});
        REQUIRE(good.wait(patience));
        REQUIRE(lists.size() == 1);  // callbacks run before ready() turns true
        CHECK(lists.front() == serial_squares(50));

        auto bad = pool.map_async(
            fail_on_odd, numbers(50),
            {.chunksize = 3,
             .callback = [&](const std::vector<int>& list) { lists.push_back(list); },
             .error_callback = [&](std::exception_ptr e) { errors.push_back(name_of(e)); }});
        REQUIRE(bad.wait(patience));
        CHECK(lists.size() == 1);
        REQUIRE(errors.size() == 1);
        CHECK_THAT(errors.front(), Catch::Contains("odd: "));
    });
}

TEST_CASE(
    "_TestPool.test_map_unplicklable: the argument's own exception leaves map, the pool goes on",
    "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        const std::vector<Unsaveable> list(10);
        CHECK_THROWS_WITH(pool.map(value_of, list), "this value stays at home");
        CHECK_THROWS_WITH(pool.apply(value_of, {Unsaveable{}}), "this value stays at home");
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    });
}

TEST_CASE("_TestPool.test_map_chunksize: an empty input with chunksize 1 does not stall",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        auto result = pool.map_async(square, std::vector<int>{}, {.chunksize = 1});
        REQUIRE(result.wait(patience));
        CHECK(result.get().empty());
    });
}

TEST_CASE("_TestPool.test_map_handle_iterable_exception: the input's exception leaves map",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        auto broken = std::views::iota(0, 20) | std::views::transform([](int i) {
                          if (i == 10) {
                              throw std::out_of_range("the input ends badly");
                          }
                          return i;
                      });
        CHECK_THROWS_AS(pool.map(square, broken), std::out_of_range);
        CHECK_THROWS_AS(pool.map(square, broken, {.chunksize = 1}), std::out_of_range);
        auto first = std::views::iota(0, 1) |
                     std::views::transform([](int) -> int { throw std::out_of_range("at once"); });
        CHECK_THROWS_AS(pool.map(square, first, {.chunksize = 1}), std::out_of_range);
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    });
}

TEST_CASE("_TestPool.test_async: get waits as long as the call lasts", "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        Board board;
        auto result = pool.apply_async(wait_at_gate, {board.ref()});
        REQUIRE(board.reaches(arrivals, 1));
        CHECK_FALSE(result.ready());
        CHECK_FALSE(result.wait(50ms));
        board[gate] = 1;
        CHECK(result.get(patience) > 0);
        CHECK(result.ready());
        CHECK(board[finished] == 1);
    });
}

TEST_CASE("_TestPool.test_async_timeout: get with a timeout throws TimeoutError in time",
          "[parity][pool]") {
    on_every_pool(1, [](auto& pool) {
        Board board;
        auto result = pool.apply_async(wait_at_gate, {board.ref()});
        const auto start = std::chrono::steady_clock::now();
        CHECK_THROWS_AS(result.get(100ms), mp::TimeoutError);
        const auto waited = std::chrono::steady_clock::now() - start;
        CHECK(waited >= 95ms);
        CHECK(waited < patience);
        CHECK_THROWS_AS(result.get(0ms), mp::TimeoutError);
        CHECK_THROWS_AS(result.get(-1s), mp::TimeoutError);
        board[gate] = 1;
        CHECK(outcome(result) == "value");  // giving up waiting does not harm the call
    });
}

TEST_CASE("_TestPool.test_map_no_failfast: map throws only after every chunk was done",
          "[parity][pool]") {
    on_every_pool(2, [](auto& pool) {
        Board board;
        CHECK_THROWS_AS(pool.map(throw_large_text, jobs(board, 16), {.chunksize = 1}),
                        std::runtime_error);
        CHECK(board[finished] == 16);
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    });
}

TEST_CASE("_TestPool.test_release_task_refs: the parent keeps no argument after the call",
          "[parity][pool]") {
    on_process_pools(2, [](auto& pool) {
        const int before = Counted::alive;
        {
            std::vector<Counted> list(10);
            CHECK(pool.map(value_of_counted, list).size() == 10);
            CHECK(eventually([&] { return Counted::alive == before + 10; }));
            auto result = pool.apply_async(value_of_counted, {Counted(7)});
            CHECK(result.get(patience) == 7);
            CHECK(eventually([&] { return Counted::alive == before + 10; }));
            auto made = pool.map(counted_again, list);
            CHECK(made.size() == 10);
            CHECK(eventually([&] { return Counted::alive == before + 20; }));
        }
        CHECK(eventually([&] { return Counted::alive == before; }));
    });
}
