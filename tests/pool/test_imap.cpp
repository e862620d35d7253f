// SPDX-License-Identifier: BSL-1.0
// imap and imap_unordered: lazy input, bounded look-ahead, errors at their place, lifetimes.
#include "pool/pool_faults.hpp"

#include <chrono>
#include <iterator>
#include <list>
#include <ranges>
#include <sstream>
#include <thread>

using namespace pool_test;

namespace {

int wait_on_zero(const Job& job) {
    if (job.index == 0) {
        await_cell(job.board, gate, 1);
    }
    return job.index;
}

void count_run(const Job& job) {
    cells(job.board)[arrivals].fetch_add(1);
}

std::size_t length(const std::string& text) {
    return text.size();
}

std::string grow(int count) {
    return std::string(static_cast<std::size_t>(count), 'g');
}

int fail_on_third(int x) {
    if (x % 3 == 2) {
        throw std::domain_error("third");
    }
    return x;
}

}  // namespace

using Results =
    decltype(std::declval<mp::Pool<>&>().imap(square, std::declval<std::vector<int>&>()));
static_assert(std::ranges::input_range<Results>);
static_assert(std::is_same_v<decltype(*std::declval<Results&>().begin()), int&>);

TEST_CASE("imap reads an endless input", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        int expected = 0;
        for (int r : pool.imap(square, std::views::iota(0))) {
            REQUIRE(r == expected * expected);
            if (++expected == 300) {
                break;
            }
        }
        std::set<int> seen;
        for (int r : pool.imap_unordered(square, std::views::iota(0), {.chunksize = 4})) {
            REQUIRE(seen.insert(r).second);
            if (seen.size() == 300) {
                break;
            }
        }
        CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    });
}

TEST_CASE("imap draws its input in the thread that iterates, never ahead of buffersize",
          "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        for (const int chunksize : {1, 4}) {
            const auto caller = std::this_thread::get_id();
            int drawn = 0;
            bool same_thread = true;
            auto input = std::views::iota(0) | std::views::transform([&](int i) {
                             ++drawn;
                             same_thread = same_thread && std::this_thread::get_id() == caller;
                             return i;
                         });
            auto it = pool.imap(square, input, {.chunksize = chunksize, .buffersize = 16});
            for (int i = 0; i < 200; ++i) {
                REQUIRE(it.next(patience) == i * i);
                REQUIRE(drawn <= i + 1 + 16);
            }
            CHECK(same_thread);
        }
    });
}

TEST_CASE("imap without buffersize draws a small multiple of workers times chunksize",
          "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        int drawn = 0;
        auto input = std::views::iota(0) | std::views::transform([&](int i) {
                         ++drawn;
                         return i;
                     });
        auto it = pool.imap(square, input, {.chunksize = 3});
        REQUIRE(it.next(patience) == 0);
        CHECK(drawn <= 2 * 3 * 64);
    });
}

TEST_CASE("imap holds a slow item's successors back, imap_unordered delivers them",
          "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        Board board;
        auto ordered = pool.imap(wait_on_zero, jobs(board, 8));
        CHECK_THROWS_AS(ordered.next(30ms), mp::TimeoutError);
        auto unordered = pool.imap_unordered(wait_on_zero, std::vector<Job>{{board.ref(), 1}});
        CHECK(unordered.next(patience) == 1);
        board[gate] = 1;
        for (int i = 0; i < 8; ++i) {
            CHECK(ordered.next(patience) == i);
        }

        Board second;
        auto free = pool.imap_unordered(wait_on_zero, jobs(second, 8));
        std::set<int> seen;
        for (int i = 0; i < 7; ++i) {
            const auto item = free.next(patience);
            REQUIRE(item);
            seen.insert(*item);
        }
        CHECK(seen.count(0) == 0);
        second[gate] = 1;
        CHECK(free.next(patience) == 0);
        CHECK_FALSE(free.next(patience));
    });
}

TEST_CASE("imap throws an item's error when it is reached and goes on, whatever the chunks",
          "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        for (const int chunksize : {1, 2, 7, 100}) {
            INFO("chunksize " << chunksize);
            auto it = pool.imap(fail_on_third, numbers(30), {.chunksize = chunksize});
            const auto list = outcomes(it, 100);
            REQUIRE(list.size() == 30);
            for (int i = 0; i < 30; ++i) {
                CHECK(list[static_cast<std::size_t>(i)] ==
                      (i % 3 == 2 ? "third" : std::to_string(i)));
            }
            auto any = pool.imap_unordered(fail_on_third, numbers(30), {.chunksize = chunksize});
            const auto mixed = outcomes(any, 100);
            CHECK(mixed.size() == 30);
            CHECK(count_of(mixed, "third") == 10);
        }
    });
}

TEST_CASE("imap keeps a braced list and an rvalue, refers to an lvalue", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        auto braced = pool.imap(square, {1, 2, 3});
        auto moved = pool.imap(length, std::vector<std::string>{"a", "bb", "ccc"});
        std::list<int> linked{5, 6};
        auto referred = pool.imap(square, linked);
        CHECK(braced.next(patience) == 1);
        CHECK(braced.next(patience) == 4);
        CHECK(moved.next(patience) == 1u);
        CHECK(moved.next(patience) == 2u);
        CHECK(moved.next(patience) == 3u);
        CHECK(referred.next(patience) == 25);
        CHECK(referred.next(patience) == 36);
        CHECK(braced.next(patience) == 9);
        CHECK_FALSE(braced.next(patience));
        CHECK_FALSE(moved.next(patience));
        CHECK_FALSE(referred.next(patience));
    });
}

TEST_CASE("imap reads a single-pass input range", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        std::istringstream text("1 2 3 4 5 6 7 8 9");
        std::vector<int> all;
        for (int r : pool.imap(square, std::views::istream<int>(text), {.chunksize = 2})) {
            all.push_back(r);
        }
        CHECK(all == std::vector<int>{1, 4, 9, 16, 25, 36, 49, 64, 81});
    });
}

TEST_CASE("imap of a void function yields one monostate an item", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        Board board;
        int count = 0;
        for (std::monostate& nothing : pool.imap(count_run, jobs(board, 20), {.chunksize = 3})) {
            (void)nothing;
            ++count;
        }
        CHECK(count == 20);
        CHECK(board[arrivals] == 20);
    });
}

TEST_CASE("imap gives an lvalue that can be moved from", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        std::vector<std::string> kept;
        for (std::string& text : pool.imap(grow, {100, 200, 100000})) {
            kept.push_back(std::move(text));
        }
        REQUIRE(kept.size() == 3);
        CHECK(kept[2].size() == 100000);
    });
}

// Returns for the first item alone: the others are still there when the pool ends.
static int hold_all_but_first(int x) {
    while (x != 0) {
        std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    return x;
}

TEST_CASE("imap that outlives its pool throws", "[pool][imap]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    std::optional<Results> it;
    std::vector<int> input = numbers(1000);
    {
        mp::Pool<> pool({.processes = 1, .start_method = method});
        it.emplace(pool.imap(hold_all_but_first, input, {.buffersize = 4}));
        REQUIRE(it->next(patience) == 0);
    }
    for (int drawn = 1; drawn < 4; ++drawn) {
        CHECK(outcome_of([&] { it->next(patience); }) == "CancelledError");
    }
    CHECK(outcome_of([&] { it->next(patience); }) == "ValueError");
    CHECK(!it->next(patience));
}

TEST_CASE("imap abandoned by its consumer does not hold up close and join", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        {
            int count = 0;
            for (int r : pool.imap(square, std::views::iota(0), {.chunksize = 8})) {
                (void)r;
                if (++count == 50) {
                    break;
                }
            }
        }
        auto kept = pool.imap_unordered(square, std::views::iota(0));
        CHECK(kept.next(patience));
        const std::string lines(100000, 'x');
        auto large = pool.imap(
            length, std::views::iota(0) | std::views::transform([&](int) { return lines; }));
        CHECK(large.next(patience) == 100000u);
        pool.close();
        pool.join();
        SUCCEED();
    });
}

TEST_CASE("imap made before close yields everything, and join follows", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        auto whole = pool.imap(square, numbers(300), {.buffersize = 8});
        auto begun = pool.imap_unordered(square, numbers(300), {.chunksize = 3, .buffersize = 12});
        auto moved = pool.imap(square, std::views::iota(0), {.buffersize = 4});
        std::set<int> seen{begun.next(patience).value()};
        auto endless = std::move(moved);
        REQUIRE(endless.next(patience) == 0);
        pool.close();
        CHECK(outcome_of([&] { return pool.imap(square, numbers(3)).next(); }) == "ValueError");
        CHECK(outcome_of([&] { return pool.apply(square, {2}); }) == "ValueError");
        int expected = 0;
        for (const int r : whole) {
            REQUIRE(r == expected * expected);
            ++expected;
        }
        CHECK(expected == 300);
        for (const int r : begun) {
            seen.insert(r);
        }
        CHECK(seen.size() == 300);
        for (int i = 1; i < 20; ++i) {
            REQUIRE(endless.next(patience) == i * i);
        }
        CHECK(outcome_of([&] { return pool.apply(square, {2}); }) == "ValueError");
        pool.join();
    });
}

TEST_CASE("imap draws no more from join on", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        auto untouched = pool.imap(square, numbers(3));
        auto begun = pool.imap(square, std::views::iota(0), {.buffersize = 4});
        REQUIRE(begun.next(patience) == 0);
        pool.close();
        pool.join();
        CHECK(outcomes(untouched, 10) == std::vector<std::string>{"ValueError"});
        CHECK(outcomes(begun, 10) == std::vector<std::string>{"1", "4", "9", "ValueError"});
    });
}

TEST_CASE("imap whose whole input was drawn before join ends as its input does", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        const auto input = std::views::iota(0, 10) | std::views::transform([](int i) {
                               if (i == 4) {
                                   throw std::domain_error("input");
                               }
                               return i;
                           });
        auto whole = pool.imap(square, numbers(4), {.buffersize = 4});
        auto failing = pool.imap(square, input, {.buffersize = 4});
        REQUIRE(whole.next(patience) == 0);
        REQUIRE(failing.next(patience) == 0);
        pool.close();
        pool.join();
        CHECK(outcomes(whole, 10) == std::vector<std::string>{"1", "4", "9"});
        CHECK(outcomes(failing, 10) == std::vector<std::string>{"1", "4", "9", "input"});
    });
}

TEST_CASE("A closed pool ends with the last imap made before", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        const std::size_t running = count_threads();
        std::optional dropped(pool.imap(square, std::views::iota(0)));
        REQUIRE(dropped->next(patience) == 0);
        auto read = pool.imap(square, numbers(3));
        auto failing = pool.imap(square, std::views::iota(0) | std::views::transform([](int i) {
                                             return i < 0 ? i : throw std::domain_error("input");
                                         }));
        auto assigned = pool.imap(square, numbers(3));
        assigned = pool.imap(square, numbers(5));
        pool.close();
        CHECK(outcomes(read, 10).size() == 3);
        CHECK(outcomes(failing, 10) == std::vector<std::string>{"input"});
        CHECK(outcomes(assigned, 10).size() == 5);
        std::this_thread::sleep_for(20ms);
        CHECK(dropped->next(patience) == 1);
        CHECK(count_threads() == running);
        dropped.reset();
        CHECK(eventually([&] { return count_threads() < running; }));
    });
}

TEST_CASE("A forked copy of an imap does not end the pool", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        std::optional it(pool.imap(square, numbers(100), {.buffersize = 4}));
        REQUIRE(it->next(patience) == 0);
        ChildProgram copy([&] {
            it.reset();
            return 0;
        });
        CHECK(copy.wait() == 0);
        pool.close();
        CHECK(outcomes(*it, 200).size() == 99);
        pool.join();
    });
}

TEST_CASE("Several imaps of one pool run side by side", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        auto a = pool.imap(square, std::views::iota(0));
        auto b = pool.imap(square, std::views::iota(1000), {.chunksize = 5});
        auto c = pool.imap_unordered(square, numbers(100));
        for (int i = 0; i < 100; ++i) {
            REQUIRE(a.next(patience) == i * i);
            REQUIRE(b.next(patience) == (1000 + i) * (1000 + i));
            REQUIRE(c.next(patience));
        }
        CHECK_FALSE(c.next(patience));
    });
}

TEST_CASE("imap yields what was drawn before its input threw, also within a chunk",
          "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        const auto input = std::views::iota(0, 10) | std::views::transform([](int i) {
                               if (i == 5) {
                                   throw std::domain_error("input");
                               }
                               return i;
                           });
        for (const int chunksize : {1, 3, 10}) {
            INFO("chunksize " << chunksize);
            auto it = pool.imap(square, input, {.chunksize = chunksize});
            for (int i = 0; i < 5; ++i) {
                CHECK(it.next(patience) == i * i);
            }
            CHECK_THROWS_AS(it.next(patience), std::domain_error);
            CHECK_FALSE(it.next(patience));
        }
    });
}

TEST_CASE("imap takes any chunksize", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        auto it = pool.imap(square, numbers(5), {.chunksize = std::int64_t{1} << 60});
        CHECK(outcomes(it, 100).size() == 5);
    });
}

TEST_CASE("imap's iterator throws an item's error where it is read, and goes on behind it",
          "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        const std::vector<int> expected{0, 1, 3, 4, 6, 7, 9};  // every third item throws
        for (const int chunksize : {1, 3, 100}) {
            INFO("chunksize " << chunksize);
            std::vector<int> got;
            int errors = 0;
            auto in_the_body = pool.imap(fail_on_third, numbers(10), {.chunksize = chunksize});
            for (auto it = in_the_body.begin(); it != in_the_body.end(); ++it) {
                try {
                    got.push_back(*it);
                } catch (const std::exception&) {
                    ++errors;
                }
            }
            CHECK(got == expected);
            CHECK(errors == 3);

            got.clear();
            errors = 0;
            auto without_advance = pool.imap(fail_on_third, numbers(10), {.chunksize = chunksize});
            auto it = without_advance.begin();
            for (bool more = true; more;) {
                try {
                    for (; it != without_advance.end(); ++it) {
                        got.push_back(*it);
                    }
                    more = false;
                } catch (const std::exception&) {
                    ++errors;
                }
            }
            CHECK(got == expected);
            CHECK(errors == 3);

            got.clear();
            errors = 0;
            auto again = pool.imap(fail_on_third, numbers(10), {.chunksize = chunksize});
            for (bool more = true; more;) {
                try {
                    for (const int value : again) {
                        got.push_back(value);
                    }
                    more = false;
                } catch (const std::exception&) {
                    ++errors;
                }
            }
            CHECK(got == expected);
            CHECK(errors == 3);
        }
    });
}

TEST_CASE("imap goes on where a loop was left", "[pool][imap]") {
    on_every_pool(2, [](auto& pool) {
        auto results = pool.imap(square, numbers(6));
        for (const int value : results) {
            if (value == 4) {
                break;
            }
        }
        CHECK(results.next(patience) == 9);
        CHECK(*results.begin() == 16);
        std::vector<int> rest;
        for (const int value : results) {
            rest.push_back(value);
        }
        CHECK(rest == std::vector<int>{25});
        CHECK_FALSE(results.next(patience));
    });
}
