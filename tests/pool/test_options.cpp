// SPDX-License-Identifier: BSL-1.0
// The options of Pool and of its calls: limits, defaults, chunks, time limits, retries; Pool<F>.
#include "pool/pool_faults.hpp"

#include <concepts>
#include <map>
#include <random>
#include <thread>

using namespace pool_test;

namespace {

int hang_on_negative(const Job& job) {
    Cell* at = cells(job.board);
    if (job.index < 0) {
        at[arrivals].store(::getpid());
        await_cell(job.board, gate, 1);
    }
    return job.index;
}

std::vector<Job> with_hanging(const Board& board, std::vector<int> list) {
    std::vector<Job> made;
    for (const int index : list) {
        made.push_back({.board = board.ref(), .index = index});
    }
    return made;
}

/// Dies until the item was tried `index` times before.
int die_until(const Job& job) {
    if (cells(job.board)[items].fetch_add(1) < job.index) {
        die(Death::kill);
    }
    return ::getpid();
}

int brief(int x) {
    std::this_thread::sleep_for(20ms);
    return x;
}

struct Model {
    std::vector<double> weights;
    double predict(int index) const { return weights[static_cast<std::size_t>(index)] * 2; }
};

int raise_floor(int floor, int x) {
    return std::max(floor, x);
}

constexpr std::chrono::microseconds the_limit{30'000};

/// 1: works until its time limit, give or take a moment. 0: does nothing.
int until_the_limit(int kind) {
    static std::mt19937 random(static_cast<unsigned>(::getpid()));
    if (kind == 1) {
        const auto end = std::chrono::steady_clock::now() + the_limit +
                         std::chrono::microseconds(static_cast<int>(random() % 200) - 50);
        while (std::chrono::steady_clock::now() < end) {
        }
    }
    return kind;
}

}  // namespace

static_assert(std::same_as<decltype(mp::Pool(std::thread::hardware_concurrency())), mp::Pool<>>);
static_assert(std::same_as<decltype(mp::Pool(4)), mp::Pool<>>);
static_assert(std::is_nothrow_move_constructible_v<mp::Pool<>>);
static_assert(!std::is_copy_constructible_v<mp::Pool<>>);

TEST_CASE("Pool without options has process_cpu_count workers", "[pool][options]") {
    Watch watch;
    mp::Pool pool;
    const int expected = mp::process_cpu_count();
    CHECK(worker_pids(pool, expected).size() == static_cast<std::size_t>(expected));
    CHECK(pool.map(square, numbers(20)) == serial_squares(20));
}

TEST_CASE("Pool takes any integer type as its number of workers", "[pool][options]") {
    Watch watch;
    mp::Pool a(std::size_t{2});
    mp::Pool b(static_cast<unsigned char>(2));
    mp::Pool c(2L);
    CHECK(a.apply(square, {2}) == 4);
    CHECK(b.apply(square, {3}) == 9);
    CHECK(c.apply(square, {4}) == 16);
}

TEST_CASE("Pool moves with its work in flight", "[pool][options]") {
    Watch watch;
    Board board;
    mp::Pool<> first(1);
    auto result = first.apply_async(wait_at_gate, {board.ref()});
    REQUIRE(board.reaches(arrivals, 1));
    mp::Pool<> second(std::move(first));
    auto behind = second.apply_async(square, {4});
    board[gate] = 1;
    CHECK(result.get(patience) > 0);
    CHECK(behind.get(patience) == 16);
}

TEST_CASE("Numbers below 1 are refused in every option that counts", "[pool][options]") {
    on_every_pool(1, [](auto& pool) {
        const std::vector<int> list{1, 2, 3};
        for (const int bad : {0, -1, -1000}) {
            CHECK_THROWS_AS(pool.map(square, list, {.chunksize = bad}), mp::ValueError);
            CHECK_THROWS_AS(pool.map_async(square, list, {.chunksize = bad}), mp::ValueError);
            CHECK_THROWS_AS(pool.imap(square, list, {.chunksize = bad}), mp::ValueError);
            CHECK_THROWS_AS(pool.imap_unordered(square, list, {.chunksize = bad}), mp::ValueError);
            CHECK_THROWS_AS(pool.imap(square, list, {.buffersize = bad}), mp::ValueError);
        }
        CHECK(pool.map(square, list, {.chunksize = std::size_t{2}}).size() == 3);
        CHECK(pool.map(square, list, {.chunksize = 1000000L}).size() == 3);
    });
}

TEST_CASE("A call past its time limit throws TimeoutError and costs its worker alone",
          "[pool][options]") {
    on_process_pools(2, [](auto& pool) {
        Board board;
        const std::set<int> before = worker_pids(pool, 2);
        auto late = pool.apply_async(hang_on_negative, {Job{board.ref(), -1}}, {.timeout = 1s});
        CHECK(outcome(late) == "TimeoutError");
        const int killed = static_cast<int>(board[arrivals].load());
        CHECK(before.count(killed) == 1);
        CHECK(eventually([&] { return gone(killed); }));
        const std::set<int> after = worker_pids(pool, 2);
        CHECK(after.size() == 2);
        CHECK(after.count(killed) == 0);
        for (const int pid : before) {
            CHECK((pid == killed || after.count(pid) == 1));
        }
    });
}

TEST_CASE("A time limit keeps the other items of the chunk", "[pool][options]") {
    on_process_pools(2, [](auto& pool) {
        for (const int at : {0, 2, 3}) {
            INFO("the item that hangs: " << at);
            Board board;
            std::vector<int> list{10, 11, 12, 13, 20, 21, 22, 23};
            list[static_cast<std::size_t>(at)] = -1;
            auto it = pool.imap(hang_on_negative, with_hanging(board, list),
                                {.chunksize = 4, .timeout = 200ms});
            const auto told = outcomes(it, 100);
            REQUIRE(told.size() == 8);
            for (std::size_t i = 0; i < 8; ++i) {
                CHECK(told[i] == (list[i] < 0 ? "TimeoutError" : std::to_string(list[i])));
            }
        }
        Board board;
        CHECK_THROWS_AS(pool.map(hang_on_negative, with_hanging(board, {1, 2, -1, 4}),
                                 {.chunksize = 4, .timeout = 0.2s}),
                        mp::TimeoutError);
    });
}

TEST_CASE("An item that ends just at its time limit does not cost the one behind it",
          "[pool][options]") {
    // All of them end about when they are looked at; what follows is far from its limit.
    mp::Pool pool(2);
    std::vector<int> list;
    for (int i = 0; i < 4; ++i) {
        list.insert(list.end(), {1, 0, 0, 0, 0, 0, 0, 0});
    }
    for (long round = 0; round < scaled(20); ++round) {
        Watch watch;
        auto it = pool.imap(until_the_limit, list, {.chunksize = 8, .timeout = the_limit});
        const auto told = outcomes(it, 100);
        REQUIRE(told.size() == list.size());
        for (std::size_t i = 0; i < list.size(); ++i) {
            INFO("item " << i << ": " << told[i]);
            REQUIRE((list[i] == 1 || told[i] == "0"));
        }
    }
}

TEST_CASE("A time limit is one of the item: queued items do not age", "[pool][options]") {
    on_process_pools(1, [](auto& pool) {
        auto all = pool.map_async(brief, numbers(40), {.chunksize = 10, .timeout = 500ms});
        CHECK(outcome(all) == "value");
    });
}

TEST_CASE("Retries run a lost item again, so many times and no more", "[pool][options]") {
    on_process_pools(2, [](auto& pool) {
        for (const int deaths : {1, 2, 3}) {
            Board board;
            auto result = pool.apply_async(die_until, {Job{board.ref(), deaths}}, {.retries = 2});
            CHECK(outcome(result) == (deaths <= 2 ? "value" : "WorkerLostError"));
            CHECK(board[items] == std::min(deaths + 1, 3));
        }
        Board board;
        const auto list = with_hanging(board, {1});
        CHECK(pool.map(die_until, list, {.retries = 1}).size() == 1);
        Board none;
        CHECK_THROWS_AS(pool.apply(die_until, {Job{none.ref(), 1}}), mp::WorkerLostError);
        CHECK(none[items] == 1);
    });
}

TEST_CASE("Retries are for lost workers, not for exceptions", "[pool][options]") {
    on_process_pools(1, [](auto& pool) {
        auto result = pool.apply_async(fail_on_odd, {1}, {.retries = 5});
        CHECK(outcome(result) == "odd: 1");
    });
}

TEST_CASE("Pool bound to a lambda with captures inherits them under fork", "[pool][options]") {
    Watch watch;
    Model model;
    model.weights.assign(1000, 1.5);
    int* const not_sendable = new int(3);
    mp::Pool bound(
        [model, not_sendable](int index) { return model.predict(index) + *not_sendable; },
        {.processes = 2, .start_method = mp::StartMethod::fork});
    CHECK(bound.apply({7}) == 6.0);
    CHECK(bound.map({1, 2, 3}) == std::vector<double>{6, 6, 6});
    CHECK(bound.map(numbers(1000), {.chunksize = 10}) == std::vector<double>(1000, 6.0));
    auto result = bound.apply_async({7}, {.callback = [](const double&) {}});
    CHECK(result.get(patience) == 6.0);
    auto list = bound.map_async(numbers(10));
    CHECK(list.get(patience) == std::vector<double>(10, 6.0));
    int count = 0;
    for (double& r : bound.imap(numbers(10))) {
        count += r == 6.0;
    }
    for (double& r : bound.imap_unordered(numbers(10), {.chunksize = 3})) {
        count += r == 6.0;
    }
    CHECK(count == 20);
    delete not_sendable;
}

TEST_CASE("Pool bound to a lambda with captures is refused by spawn and forkserver",
          "[pool][options]") {
    const auto method = GENERATE(Kind::spawn, Kind::forkserver);
    INFO(name_of(method));
    Watch watch;
    const std::size_t children = children_of(::getpid()).size();
    int* const raw = nullptr;
    const auto make = [&] {
        mp::Pool bound([raw](int x) { return raw ? x : -x; },
                       {.processes = 2, .start_method = method_of(method)});
        return 0;
    };
    CHECK_THROWS_AS(make(), mp::PicklingError);
    CHECK(children_of(::getpid()).size() == children);
}

TEST_CASE("Pool bound to a function or a partial works with every start method",
          "[pool][options]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    mp::Pool plain(square, {.processes = 2, .start_method = method});
    CHECK(plain.map(numbers(100)) == serial_squares(100));
    CHECK(plain.apply({5}) == 25);
    mp::Pool floored(mp::partial(raise_floor, 5), {.processes = 2, .start_method = method});
    CHECK(floored.map({1, 5, 9}) == std::vector<int>{5, 5, 9});
    mp::Pool product(multiply, {.processes = 2, .start_method = method});
    CHECK(product.starmap({{2, 3}, {4, 5}}) == std::vector<int>{6, 20});
    CHECK(product.starmap({std::pair{2, 3}, std::pair{4, 5}}) == std::vector<int>{6, 20});
    CHECK(product.apply({6, 7}) == 42);
}

TEST_CASE("Lambdas without captures and partials are sent to workers that already run",
          "[pool][options]") {
    on_every_pool(2, [](auto& pool) {
        CHECK(pool.map([](int x) { return x + 1; }, {1, 2, 3}) == std::vector<int>{2, 3, 4});
        CHECK(pool.map(mp::partial(raise_floor, 2), {1, 2, 3}) == std::vector<int>{2, 2, 3});
        CHECK(pool.apply([] { return std::string("hello"); }) == "hello");
        const std::map<std::string, int> ages{{"Ada", 36}, {"Alan", 41}};
        CHECK(pool.map([](const std::pair<const std::string, int>& of) { return of.second; },
                       ages) == std::vector<int>{36, 41});
    });
}

TEST_CASE("map refers to items in place that can only be moved", "[pool][options]") {
    on_every_pool(2, [](auto& pool) {
        std::vector<std::unique_ptr<int>> boxes;
        std::vector<std::tuple<std::unique_ptr<int>, int>> rows;
        std::vector<std::vector<std::unique_ptr<int>>> shelves(2);
        for (const int n : numbers(5)) {
            boxes.push_back(std::make_unique<int>(n));
            rows.emplace_back(std::make_unique<int>(n), n);
            shelves[0].push_back(std::make_unique<int>(n));
        }
        const auto open = [](const std::unique_ptr<int>& box) { return *box; };
        CHECK(pool.map(open, boxes) == numbers(5));
        CHECK(pool.map(open, boxes, {.timeout = patience}) == numbers(5));
        CHECK(
            pool.starmap([](const std::unique_ptr<int>& box, int factor) { return *box * factor; },
                         rows) == serial_squares(5));
        CHECK(pool.map(
                  [](const std::vector<std::unique_ptr<int>>& boxes_of) { return boxes_of.size(); },
                  shelves, {.timeout = patience}) == std::vector<std::size_t>{5, 0});
        CHECK(*boxes[4] == 4);
    });
}

TEST_CASE("join before close throws ValueError", "[pool][options]") {
    on_every_pool(1, [](auto& pool) {
        CHECK_THROWS_AS(pool.join(), mp::ValueError);
        CHECK(pool.apply(square, {2}) == 4);
        pool.close();
        pool.close();
        pool.join();
        pool.join();
    });
}
