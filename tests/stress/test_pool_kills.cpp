// SPDX-License-Identifier: BSL-1.0
// Workers killed at random instants under load: nothing lost, nothing twice, no hang.
#include "pool/pool_faults.hpp"

using namespace pool_test;

namespace {

struct Parcel {
    Job job;
    std::vector<std::uint8_t> bytes;
};

struct Receipt {
    int index = 0;
    std::uint64_t sum = 0;
    std::vector<std::uint8_t> bytes;
};

std::uint64_t sum_of(const std::vector<std::uint8_t>& bytes) {
    std::uint64_t sum = 1469598103934665603u;
    for (const std::uint8_t byte : bytes) {
        sum = (sum ^ byte) * 1099511628211u;
    }
    return sum;
}

Receipt deliver(const Parcel& parcel) {
    cells(parcel.job.board)[items + static_cast<std::size_t>(parcel.job.index)].fetch_add(1);
    return {.index = parcel.job.index, .sum = sum_of(parcel.bytes), .bytes = parcel.bytes};
}

/// Sizes from 0 bytes to 1 MiB, most of them small; the content follows from the index.
std::vector<std::uint8_t> content(int index) {
    std::mt19937 random(static_cast<unsigned>(index) * 2654435761u);
    const unsigned class_of_size = random() % 64;
    const std::size_t size = class_of_size == 0   ? random() % (1u << 20)
                             : class_of_size < 6  ? random() % (1u << 16)
                             : class_of_size < 16 ? random() % 4096
                                                  : random() % 64;
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i < size; i += 61) {
        bytes[i] = static_cast<std::uint8_t>(random());
    }
    return bytes;
}

std::vector<Parcel> parcels(const Board& board, int count) {
    std::vector<Parcel> list;
    for (const Job& job : jobs(board, count)) {
        list.push_back({job, content(job.index)});
    }
    return list;
}

bool right(const Receipt& receipt, const Parcel& parcel) {
    return receipt.index == parcel.job.index && receipt.sum == sum_of(parcel.bytes) &&
           receipt.bytes == parcel.bytes;
}

std::chrono::milliseconds duration_of_each() {
    return std::chrono::milliseconds(scaled(1200));
}

/// Repeats the body while the killer works; at the end the pool must still give right answers.
template <class Body>
void under_fire(std::chrono::microseconds longest_pause, Body body) {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch(std::chrono::seconds(duration_of_each().count() / 1000) + 3 * patience);
    mp::Pool<> pool({.processes = 3, .start_method = method});
    long rounds = 0;
    {
        RandomKiller killer(longest_pause);
        const auto end = std::chrono::steady_clock::now() + duration_of_each();
        while (std::chrono::steady_clock::now() < end) {
            body(pool);
            ++rounds;
        }
        killer.stop();
        CHECK(killer.kills() > 0);
    }
    CHECK(rounds > 0);
    // a kill of the last instant may still cost an item
    CHECK(pool.map(square, numbers(200), {.retries = 100}) == serial_squares(200));
    CHECK(worker_pids(pool, 3).size() == 3);
}

}  // namespace

TEST_CASE("Under random kills map with retries is exact", "[stress][pool]") {
    under_fire(8ms, [](auto& pool) {
        Board board;
        const auto list = parcels(board, 60);
        const auto receipts = pool.map(deliver, list, {.chunksize = 5, .retries = 100});
        REQUIRE(receipts.size() == list.size());
        for (std::size_t i = 0; i < list.size(); ++i) {
            REQUIRE(right(receipts[i], list[i]));
            REQUIRE(board[items + i] >= 1);
        }
    });
}

TEST_CASE(
    "Under random kills apply_async without retries gives each call a value or "
    "WorkerLostError, and runs none twice",
    "[stress][pool]") {
    under_fire(8ms, [](auto& pool) {
        Board board;
        const auto list = parcels(board, 60);
        std::vector<mp::AsyncResult<Receipt>> results;
        for (const Parcel& parcel : list) {
            results.push_back(pool.apply_async(deliver, {parcel}));
        }
        for (std::size_t i = 0; i < list.size(); ++i) {
            const std::string told = outcome(results[i]);
            INFO("item " << i << ": " << told);
            if (told == "value") {
                REQUIRE(right(results[i].get(), list[i]));
                REQUIRE(board[items + i] == 1);
            } else {
                REQUIRE(told == "WorkerLostError");
                REQUIRE(board[items + i] <= 1);
            }
        }
    });
}

TEST_CASE("Under random kills imap delivers each item or its loss once, in order",
          "[stress][pool]") {
    under_fire(8ms, [](auto& pool) {
        Board board;
        const auto list = parcels(board, 60);
        for (const int chunksize : {1, 7}) {
            const auto base = chunksize == 1 ? 1 : 2;
            auto it = pool.imap(deliver, list, {.chunksize = chunksize});
            for (std::size_t i = 0; i < list.size(); ++i) {
                const std::string told = outcome_of([&] {
                    const auto receipt = it.next(patience);
                    if (!receipt || !right(*receipt, list[i])) {
                        throw std::logic_error("a wrong item");
                    }
                });
                INFO("item " << i << ": " << told);
                REQUIRE((told == "value" || told == "WorkerLostError"));
                REQUIRE(board[items + i] <= base);
            }
            REQUIRE_FALSE(it.next(patience));
        }
    });
}

TEST_CASE("Under random kills imap_unordered with retries delivers every item once",
          "[stress][pool]") {
    under_fire(8ms, [](auto& pool) {
        Board board;
        const auto list = parcels(board, 60);
        std::vector<int> seen(list.size(), 0);
        for (Receipt& receipt :
             pool.imap_unordered(deliver, list, {.chunksize = 3, .retries = 100})) {
            REQUIRE(right(receipt, list[static_cast<std::size_t>(receipt.index)]));
            ++seen[static_cast<std::size_t>(receipt.index)];
        }
        REQUIRE(seen == std::vector<int>(list.size(), 1));
    });
}

TEST_CASE("Under dense kills tiny tasks are neither lost nor repeated", "[stress][pool]") {
    under_fire(1500us, [](auto& pool) {
        Board board;
        const int count = 2000;
        auto it = pool.imap(counted_square, jobs(board, count), {.chunksize = 20});
        long values = 0;
        long lost = 0;
        for (int i = 0; i < count; ++i) {
            const std::string told = outcome_of([&] {
                if (it.next(patience) != i * i) {
                    throw std::logic_error("a wrong item");
                }
            });
            values += told == "value";
            lost += told == "WorkerLostError";
        }
        REQUIRE(values + lost == count);
        long run = 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            REQUIRE(board[items + i] <= 1);
            run += board[items + i].load();
        }
        REQUIRE(run >= values);
    });
}

TEST_CASE("Under random kills recycled workers with time limits and retries lose nothing",
          "[stress][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch(std::chrono::seconds(duration_of_each().count() / 1000) + 3 * patience);
    mp::Pool<> pool({.processes = 3, .maxtasksperchild = 5, .start_method = method});
    RandomKiller killer(8ms);
    const auto end = std::chrono::steady_clock::now() + duration_of_each();
    while (std::chrono::steady_clock::now() < end) {
        Board board;
        const auto list = parcels(board, 30);
        const auto receipts =
            pool.map(deliver, list, {.chunksize = 2, .timeout = patience, .retries = 100});
        for (std::size_t i = 0; i < list.size(); ++i) {
            REQUIRE(right(receipts[i], list[i]));
        }
    }
    killer.stop();
}

TEST_CASE("Pools dropped under random kills leave nothing behind", "[stress][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    RandomKiller killer(2ms);
    for (long round = 0; round < scaled(25); ++round) {
        Watch watch;
        mp::Pool<> pool({.processes = 2, .start_method = method});
        auto result = pool.map_async(square, numbers(500), {.chunksize = 1});
        if (round % 3 == 0) {
            (void)outcome(result);
        } else if (round % 3 == 1) {
            pool.close();
            pool.join();
            const std::string told = outcome(result, 0ms);
            CHECK((told == "value" || told == "WorkerLostError"));
        }
    }
    killer.stop();
}
