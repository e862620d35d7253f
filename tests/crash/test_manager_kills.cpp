// SPDX-License-Identifier: BSL-1.0
// Clients of a manager that are killed at any instant, and servers that are: what is left works.
#include <chrono>
#include <csignal>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <multiprocessing.hpp>
#include <multiprocessing/managers.hpp>

#include "managers/manager_tools.hpp"
#include "support/random.hpp"

using namespace manager_test;
using test_support::random_source;
using test_support::scaled;

namespace {

struct Things {
    mp::LockProxy lock;
    mp::RLockProxy recursive;
    mp::ConditionProxy condition;
    mp::DictProxy<int, int> numbers;
    mp::DictProxy<int, mp::ListProxy<int>> lists;
    mp::QueueProxy<int> queue;
    mp::BarrierProxy barrier;
};

template <class Lock, class Body>
void guarded(const Lock& lock, Body body) {
    try {
        const std::scoped_lock guard(lock);
        body();
    } catch (const mp::OwnerDiedError&) {
    }
}

/// Does everything, again and again, until it is killed.
void toil(Things things) {
    for (int i = 0;; ++i) {
        guarded(things.lock, [&] {  // two numbers that are equal whenever the lock is free
            things.numbers.update({{0, i}, {1, i}});
        });
        guarded(things.recursive, [&] { guarded(things.recursive, [] {}); });
        things.numbers.update(2, [](int& n) { ++n; });
        const auto list = things.lists[i % 3].get();
        list.append(i);
        things.lists[i % 3] = list;
        try {
            things.queue.put(i, 1ms);
            (void)things.queue.get(1ms);
        } catch (const mp::Full&) {
        } catch (const mp::Empty&) {
        }
        try {
            things.barrier.wait(1ms);
        } catch (const mp::BrokenBarrierError&) {
            things.barrier.reset();
        }
        guarded(things.condition, [&] {
            things.condition.notify();
            things.condition.wait(1ms);
        });
    }
}

/// Takes the lock, which a dead holder may have left.
template <class Lock>
bool can_be_taken(const Lock& lock) {
    for (int attempt = 0; attempt < 20; ++attempt) {
        try {
            if (!lock.acquire(patience))
                return false;
            lock.release();
            return true;
        } catch (const mp::OwnerDiedError&) {  // another of the dead
        }
    }
    return false;
}

}  // namespace

TEST_CASE("Clients that are killed at any instant leave their manager whole", "[crash][managers]") {
    const Watch watch(std::chrono::seconds(300));
    mp::Manager manager;
    const auto list = [&] { return manager.list<int>(); };
    const Things things{
        manager.Lock(),
        manager.RLock(),
        manager.Condition(),
        manager.dict<int, int>({{0, 0}, {1, 0}, {2, 0}}),
        manager.dict<int, mp::ListProxy<int>>({{0, list()}, {1, list()}, {2, list()}}),
        manager.Queue<int>(3),
        manager.Barrier(2)};
    const std::size_t objects = manager.number_of_objects();
    std::mt19937& random = random_source();
    for (int round = 0; round < scaled(40); ++round) {
        std::vector<mp::Process> workers;
        for (int i = 0; i < 4; ++i)
            workers.emplace_back(toil, std::tuple(things));
        for (auto& worker : workers)
            worker.start();
        for (auto& worker : workers) {
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 10000));
            worker.kill();
        }
        for (auto& worker : workers)
            worker.join();
        REQUIRE(can_be_taken(things.lock));
        REQUIRE(can_be_taken(things.recursive));
        REQUIRE(can_be_taken(things.condition));
        REQUIRE(empties(manager, objects));
        REQUIRE(things.numbers.get(0) == things.numbers.get(1));
        REQUIRE(things.queue.qsize() <= 3);
        REQUIRE(things.barrier.n_waiting() == 0);
    }
    CHECK(things.numbers.get(2) > 0);
}

TEST_CASE("A server that is killed at any instant ends every call", "[crash][managers]") {
    const Watch watch(std::chrono::seconds(300));
    std::mt19937& random = random_source();
    for (int round = 0; round < scaled(20); ++round) {
        mp::Manager manager;
        const auto numbers = manager.dict<int, int>({{0, 0}});
        const auto queue = manager.Queue<int>();
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i)
            threads.emplace_back([&, i] {
                try {
                    for (;;) {
                        numbers.update(0, [](int& n) { ++n; });
                        if (i == 0)
                            (void)queue.get();
                    }
                } catch (const mp::EOFError&) {
                }
            });
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
        ::kill(*manager.pid(), SIGKILL);
        for (auto& thread : threads)
            thread.join();
        CHECK_THROWS_AS(numbers.size(), mp::EOFError);
    }
}
