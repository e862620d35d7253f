// SPDX-License-Identifier: BSL-1.0
// Pools under load: many threads, many workers, many pools, long inputs, large payloads.
#include "pool/pool_faults.hpp"

#include <ranges>

using namespace pool_test;

namespace {

std::vector<double> doubled(const std::vector<double>& list) {
    std::vector<double> made(list);
    for (double& x : made) {
        x *= 2;
    }
    return made;
}

std::string repeat(const std::string& text) {
    return text + text;
}

int recurse(int depth) {
    if (depth == 0) {
        return 1;
    }
    mp::Pool<> inner(2);
    const auto list = inner.map(recurse, {depth - 1, depth - 1});
    return list[0] + list[1];
}

}  // namespace

TEST_CASE("Eight threads use one pool at once, with every call", "[stress][pool]") {
    on_every_pool(3, [](auto& pool) {
        std::atomic<int> right{0};
        std::vector<std::jthread> threads;
        const long rounds = scaled(15);
        for (int t = 0; t < 8; ++t) {
            threads.emplace_back([&, t] {
                for (long round = 0; round < rounds; ++round) {
                    const int n = 100 * t + static_cast<int>(round % 100);
                    bool good = pool.apply(square, {n}) == n * n;
                    good = good && pool.map(square, numbers(50)) == serial_squares(50);
                    auto result = pool.apply_async(square, {n});
                    auto list = pool.map_async(square, numbers(200), {.chunksize = 3});
                    int expected = 0;
                    for (int r : pool.imap(square, numbers(40), {.chunksize = 1 + t})) {
                        good = good && r == expected * expected;
                        ++expected;
                    }
                    good = good && expected == 40;
                    good = good &&
                           outcome_of([&] { return pool.apply(fail_on_odd, {1}); }) == "odd: 1";
                    good = good && result.get(patience) == n * n;
                    good = good && list.get(patience) == serial_squares(200);
                    right += good;
                }
            });
        }
        threads.clear();
        CHECK(right == 8 * rounds);
    });
}

TEST_CASE("One thread terminates the pool that seven others use", "[stress][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    for (long round = 0; round < scaled(10); ++round) {
        Watch watch;
        mp::Pool<> pool({.processes = 2, .start_method = method});
        std::atomic<int> strange{0};
        std::atomic<int> calls{0};
        std::vector<std::jthread> threads;
        for (int t = 0; t < 7; ++t) {
            threads.emplace_back([&] {
                for (;;) {
                    const std::string told = outcome_of([&] { return pool.apply(square, {3}); });
                    ++calls;
                    if (told != "value") {
                        strange += told != "ValueError" && told != "CancelledError";
                        return;
                    }
                }
            });
        }
        CHECK(eventually([&] { return calls > 100; }));
        pool.terminate();
        threads.clear();
        pool.join();
        CHECK(strange == 0);
    }
}

TEST_CASE("200 workers map 1000 items under every start method", "[stress][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch(4 * patience);
    mp::Pool<> pool({.processes = 200, .start_method = method});
    CHECK(pool.map(square, numbers(1000)) == serial_squares(1000));
    CHECK(worker_pids(pool, 200).size() == 200);
}

TEST_CASE("Hundreds of pools made and destroyed leave no descriptor, thread or process",
          "[stress][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    const auto use = [&] {
        mp::Pool<> pool({.processes = 2, .start_method = method});
        return pool.apply(square, {7}) == 49;
    };
    REQUIRE(use());
    const std::size_t descriptors = open_descriptors();
    const std::size_t threads = count_threads();
    const std::size_t children = descendants_of(::getpid()).size();
    for (long round = 0; round < scaled(120); ++round) {
        Watch watch;
        REQUIRE(use());
    }
    CHECK(open_descriptors() == descriptors);
    CHECK(eventually([&] { return count_threads() == threads; }));
    CHECK(eventually([&] { return descendants_of(::getpid()).size() == children; }));
}

TEST_CASE("Recycling after every task through every call keeps all results", "[stress][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch(4 * patience);
    mp::Pool<> pool({.processes = 3, .maxtasksperchild = 1, .start_method = method});
    CHECK(pool.map(square, numbers(60), {.chunksize = 1}) == serial_squares(60));
    const std::size_t descriptors = open_descriptors();
    const int count = static_cast<int>(scaled(300));
    int expected = 0;
    for (int r : pool.imap(square, numbers(count))) {
        REQUIRE(r == expected * expected);
        ++expected;
    }
    CHECK(expected == count);
    std::vector<mp::AsyncResult<int>> results;
    for (int i = 0; i < 100; ++i) {
        results.push_back(pool.apply_async(square, {i}, {.timeout = patience, .retries = 1}));
    }
    for (int i = 0; i < 100; ++i) {
        REQUIRE(results[static_cast<std::size_t>(i)].get(patience) == i * i);
    }
    CHECK(pool.map(square, numbers(100)) == serial_squares(100));
    // Some workers may be gone and others not yet known: up to four descriptors for each of three.
    CHECK(eventually([&] { return open_descriptors() <= descriptors + 12; }));
}

TEST_CASE("imap over a long input keeps memory constant", "[stress][pool]") {
    on_process_pools(2, [](auto& pool) {
        std::size_t before = 0;
        const int count = static_cast<int>(std::min(scaled(200000L), 2000000000L));
        int index = 0;
        for (int r :
             pool.imap([](int x) { return x; }, std::views::iota(0, count), {.chunksize = 64})) {
            REQUIRE(r == index);
            if (++index == count / 10) {
                before = resident_kib();
            }
        }
        CHECK(index == count);
        if (!sanitized) {
            CHECK(resident_kib() < before + (16u << 10));
        }
    });
}

TEST_CASE("Large payloads of many sizes arrive unchanged, many at once", "[stress][pool]") {
    on_process_pools(2, [](auto& pool) {
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{4095},
              std::size_t{4096}, std::size_t{65536}, std::size_t{1000003}, std::size_t{6000000}}) {
            INFO("size " << size);
            std::vector<double> list(size);
            std::iota(list.begin(), list.end(), 0.0);
            const std::vector<double> made = pool.apply(doubled, {list});
            REQUIRE(made.size() == size);
            REQUIRE(std::equal(made.begin(), made.end(), list.begin(),
                               [](double a, double b) { return a == 2 * b; }));
        }
        std::vector<std::string> texts;
        for (std::size_t i = 0; i < 64; ++i) {
            texts.emplace_back(i * 15013, static_cast<char>('a' + i % 26));
        }
        const auto twice = pool.map(repeat, texts, {.chunksize = 3});
        for (std::size_t i = 0; i < texts.size(); ++i) {
            REQUIRE(twice[i] == texts[i] + texts[i]);
        }
    });
}

TEST_CASE("Large results that nobody reads stop no worker", "[stress][pool]") {
    on_process_pools(2, [](auto& pool) {
        const std::string text(1 << 20, 't');
        std::vector<mp::AsyncResult<std::string>> results;
        for (int i = 0; i < 40; ++i) {
            results.push_back(pool.apply_async(repeat, {text}));
        }
        CHECK(pool.apply(square, {5}) == 25);
        for (auto& result : results) {
            REQUIRE(result.get(patience).size() == 2 << 20);
        }
    });
}

TEST_CASE("Pools nest three deep", "[stress][pool]") {
    Watch watch;
    CHECK(recurse(3) == 8);
}

TEST_CASE("A long queue of tiny calls is answered", "[stress][pool]") {
    Watch watch(4 * patience);
    mp::Pool<> pool(2);
    const int count = static_cast<int>(std::min(scaled(100000L), 1000000L));
    std::vector<mp::AsyncResult<int>> results;
    results.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        results.push_back(pool.apply_async(square, {i % 40000}));
    }
    for (int i = 0; i < count; ++i) {
        REQUIRE(results[static_cast<std::size_t>(i)].get() == (i % 40000) * (i % 40000));
    }
    CHECK(pool.map(square, numbers(40000)) == serial_squares(40000));
}
