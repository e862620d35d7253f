// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestQueue and TestSimpleQueue, and queues in the hands of processes
// of every start method and of a pool's workers.
#include <chrono>
#include <string>
#include <vector>

#include <multiprocessing.hpp>
#include <multiprocessing/queues.hpp>

#include "process/process_tools.hpp"

using namespace process_test;

namespace {

using Clock = std::chrono::steady_clock;

void take_six_when_told(mp::Queue<int> queue, mp::Queue<bool> may_start, mp::Queue<bool> done) {
    (void)may_start.get();
    for (int i = 0; i < 6; ++i)
        (void)queue.get();
    done.put(true);
}

void put_four(mp::Queue<int> queue, mp::Queue<bool> may_start, mp::Queue<bool> done) {
    (void)may_start.get();
    for (int i = 2; i < 6; ++i)
        queue.put(i);
    done.put(true);
}

void put_from_ten(mp::Queue<int> queue) {
    for (int i = 10; i < 20; ++i)
        queue.put(i);
}

void work_until_told(mp::JoinableQueue<std::string> queue) {
    while (!queue.get().empty())
        queue.task_done();
    queue.task_done();
}

void look_twice(mp::SimpleQueue<bool> queue, mp::SimpleQueue<bool> answers,
                mp::SimpleQueue<bool> go_on) {
    answers.put(queue.empty());
    (void)go_on.get();
    answers.put(queue.empty());
}

int put_square(mp::Queue<int> queue, int x) {
    queue.put(x * x);
    return x;
}

}  // namespace

TEST_CASE("_TestQueue.test_put", "[parity][queues]") {
    const Watch watch;
    const mp::Queue<int> queue(6);
    const mp::Queue<bool> may_start;
    const mp::Queue<bool> done;
    mp::Process taker(take_six_when_told, {queue, may_start, done},
                      {.daemon = true, .start_method = every_method()});
    taker.start();
    CHECK(queue.empty());
    CHECK_FALSE(queue.full());
    queue.put(1);
    queue.put(2, 10s);
    queue.put(3, 0s);
    queue.put_nowait(4);
    queue.put(5, -1s);
    queue.put(6);
    CHECK_FALSE(queue.empty());
    CHECK(queue.full());
    CHECK_THROWS_AS(queue.put_nowait(7), mp::Full);
    const auto begin = Clock::now();
    CHECK_THROWS_AS(queue.put(7, 150ms), mp::Full);
    CHECK(Clock::now() - begin >= 150ms);
    may_start.put(true);
    CHECK(done.get(20s));
    CHECK(queue.empty());
    CHECK_FALSE(queue.full());
    taker.join();
    CHECK(taker.exitcode() == 0);
}

TEST_CASE("_TestQueue.test_get", "[parity][queues]") {
    const Watch watch;
    const mp::Queue<int> queue;
    const mp::Queue<bool> may_start;
    const mp::Queue<bool> done;
    mp::Process putter(put_four, {queue, may_start, done},
                       {.daemon = true, .start_method = every_method()});
    putter.start();
    CHECK(queue.empty());
    may_start.put(true);
    CHECK(done.get(20s));
    CHECK_FALSE(queue.empty());
    CHECK(queue.get(10s) == 2);
    CHECK(queue.get() == 3);
    CHECK(queue.get(0s) == 4);
    CHECK(queue.get_nowait() == 5);
    CHECK(queue.empty());
    CHECK_THROWS_AS(queue.get_nowait(), mp::Empty);
    CHECK_THROWS_AS(queue.get(-1s), mp::Empty);
    const auto begin = Clock::now();
    CHECK_THROWS_AS(queue.get(150ms), mp::Empty);
    CHECK(Clock::now() - begin >= 150ms);
    putter.join();
}

TEST_CASE("_TestQueue.test_fork", "[parity][queues]") {
    const Watch watch;
    const mp::Queue<int> queue;
    for (int i = 0; i < 10; ++i)
        queue.put(i);
    mp::Process putter(put_from_ten, {queue}, {.daemon = true, .start_method = every_method()});
    putter.start();
    for (int i = 0; i < 20; ++i)
        CHECK(queue.get(20s) == i);
    CHECK_THROWS_AS(queue.get_nowait(), mp::Empty);
    putter.join();
}

TEST_CASE("_TestQueue.test_qsize", "[parity][queues]") {
    const mp::Queue<int> queue;
    CHECK(queue.qsize() == 0);
    queue.put(1);
    CHECK(queue.qsize() == 1);
    queue.put(5);
    CHECK(queue.qsize() == 2);
    (void)queue.get();
    CHECK(queue.qsize() == 1);
    (void)queue.get();
    CHECK(queue.qsize() == 0);
}

TEST_CASE("_TestQueue.test_task_done", "[parity][queues]") {
    const Watch watch;
    const mp::JoinableQueue<std::string> queue;
    std::vector<mp::Process> workers;
    const auto method = every_method();
    for (int i = 0; i < 4; ++i)
        workers.emplace_back(work_until_told, mp::arguments<mp::JoinableQueue<std::string>>{queue},
                             mp::ProcessOptions{.daemon = true, .start_method = method});
    for (auto& worker : workers)
        worker.start();
    for (int i = 0; i < 10; ++i)
        queue.put("work");
    queue.join();
    CHECK(queue.empty());
    for (int i = 0; i < 4; ++i)
        queue.put("");
    for (auto& worker : workers) {
        worker.join();
        CHECK(worker.exitcode() == 0);
    }
}

TEST_CASE("_TestQueue.test_timeout", "[parity][queues]") {
    const mp::Queue<int> queue;
    const auto begin = Clock::now();
    CHECK_THROWS_AS(queue.get(200ms), mp::Empty);
    CHECK(Clock::now() - begin >= 200ms);
}

TEST_CASE("_TestQueue.test_closed_queue_put_get_exceptions", "[parity][queues]") {
    const mp::Queue<std::string> queue;
    const mp::JoinableQueue<std::string> joinable;
    queue.close();
    joinable.close();
    CHECK_THROWS_WITH(queue.put("foo"), "Queue.put: the queue is closed");
    CHECK_THROWS_WITH(queue.get(), "Queue.get: the queue is closed");
    CHECK_THROWS_AS(joinable.put("foo"), mp::ValueError);
    CHECK_THROWS_AS(joinable.get(), mp::ValueError);
}

namespace {
void take_one(mp::Queue<int> queue, mp::Event may_start, int expected) {
    may_start.wait();
    std::exit(queue.get(patience) == expected ? 0 : 1);
}
}  // namespace

TEST_CASE("_TestQueue.test_closed_queue_empty_exceptions: a closed queue still says what it holds",
          "[parity][queues]") {
    const Watch watch;
    const mp::Queue<int> unused;
    unused.close();
    CHECK(unused.empty());
    const mp::Queue<int> queue(1);
    queue.put(5);
    const mp::Event may_start;
    mp::Process taker(take_one, {queue, may_start, 5}, {.start_method = every_method()});
    taker.start();
    CHECK_THROWS_AS(queue.join_thread(), mp::ValueError);
    queue.close();
    queue.join_thread();
    CHECK_FALSE(queue.empty());
    CHECK(queue.full());
    CHECK(queue.qsize() == 1);
    may_start.set();  // it is closed here alone
    taker.join();
    CHECK(taker.exitcode() == 0);
    CHECK(queue.empty());
}

TEST_CASE("TestSimpleQueue.test_empty_exceptions: a closed queue still says what it holds",
          "[parity][queues]") {
    const mp::SimpleQueue<int> queue;
    queue.put(5);
    queue.close();
    CHECK_FALSE(queue.empty());
}

TEST_CASE("TestSimpleQueue.test_empty", "[parity][queues]") {
    const Watch watch;
    const mp::SimpleQueue<bool> seen;
    const mp::SimpleQueue<bool> answers;
    const mp::SimpleQueue<bool> go_on;
    mp::Process child(look_twice, {seen, answers, go_on}, {.start_method = every_method()});
    child.start();
    CHECK(answers.get());
    CHECK(seen.empty());
    seen.put(true);
    CHECK_FALSE(seen.empty());
    go_on.put(true);
    CHECK_FALSE(answers.get());
    CHECK(seen.get());
    CHECK(seen.empty());
    child.join();
    CHECK(child.exitcode() == 0);
}

TEST_CASE("TestSimpleQueue.test_close and test_closed", "[parity][queues]") {
    const mp::SimpleQueue<int> queue;
    queue.close();
    queue.close();
    CHECK_THROWS_AS(queue.put(1), mp::ValueError);
    CHECK_THROWS_AS(queue.get(), mp::ValueError);
}

TEST_CASE("A queue is an argument of tasks for workers that run already", "[parity][queues]") {
    const Watch watch;
    mp::Pool<> pool({.processes = 2, .start_method = every_method()});
    CHECK(pool.apply(put_square, {mp::Queue<int>(), 1}) == 1);  // gone before it is taken out
    const mp::Queue<int> queue;
    std::vector<mp::AsyncResult<int>> results;
    for (int i = 0; i < 100; ++i)
        results.push_back(pool.apply_async(put_square, {queue, i}));
    int expected = 0;
    for (int i = 0; i < 100; ++i) {
        CHECK(results[static_cast<std::size_t>(i)].get() == i);
        expected += i * i;
    }
    int sum = 0;
    while (!queue.empty())
        sum += queue.get();
    CHECK(sum == expected);
}

TEST_CASE("A queue is captured by what is forked", "[parity][queues]") {
    const Watch watch;
    const mp::Queue<int> queue;
    mp::Process process([queue] { queue.put(7); });
    process.start();
    CHECK(queue.get(20s) == 7);
    process.join();
}
