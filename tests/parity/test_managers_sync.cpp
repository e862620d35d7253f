// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestLock, _TestSemaphore, _TestCondition, _TestEvent, _TestBarrier
// and _TestQueue for objects of a manager.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <multiprocessing.hpp>
#include <multiprocessing/managers.hpp>

#include "managers/manager_tools.hpp"

using namespace manager_test;

namespace {

using Clock = std::chrono::steady_clock;

/// Processes that all run one function.
class Bunch {
  public:
    template <class F, class... A>
    Bunch(int count, F function, A... arguments) {
        const auto method = fork_or_spawn();
        for (int i = 0; i < count; ++i)
            processes_.emplace_back(function, std::tuple(arguments...),
                                    mp::ProcessOptions{.daemon = true, .start_method = method});
        for (auto& process : processes_)
            process.start();
    }
    /// Whether all have ended well.
    bool join() {
        bool well = true;
        for (auto& process : processes_)
            well = process.join(patience) && process.exitcode() == 0 && well;
        return well;
    }

  private:
    std::vector<mp::Process> processes_;
};

// ---- _TestCondition

/// Waits, and says that it woke when the result of the wait is the right one.
void sleep_once(mp::ConditionProxy condition, mp::SemaphoreProxy sleeping, mp::SemaphoreProxy woken,
                int milliseconds) {
    const std::scoped_lock guard(condition);
    sleeping.release();
    const bool right = milliseconds > 0 ? !condition.wait(std::chrono::milliseconds(milliseconds))
                                        : condition.wait();
    if (right)
        woken.release();
}
/// Processes, and as many threads, that sleep on a condition.
class Sleepers {
  public:
    Sleepers(const mp::Manager& manager, int count, int milliseconds = 0)
        : condition_(manager.Condition()),
          woken_(manager.Semaphore(0)),
          processes_(count, sleep_once, condition_, sleeping(manager), woken_, milliseconds) {
        for (int i = 0; i < count; ++i)
            threads_.emplace_back(sleep_once, condition_, sleeping_, woken_, milliseconds);
        for (int i = 0; i < 2 * count; ++i)
            REQUIRE(sleeping_.acquire(patience));
        // each had the lock when it said so, and gives it back by sleeping
        const std::scoped_lock guard(condition_);
    }
    ~Sleepers() {
        for (std::thread& thread : threads_)
            if (thread.joinable())
                thread.join();
    }
    Sleepers(const Sleepers&) = delete;
    Sleepers& operator=(const Sleepers&) = delete;

    template <class Work>
    void locked(Work work) const {
        const std::scoped_lock guard(condition_);
        work(condition_);
    }
    /// So many have woken in all, and no more.
    void require_woken(std::uint32_t count) const {
        REQUIRE(eventually([&] { return woken_.get_value() >= count; }));
        std::this_thread::sleep_for(20ms);  // for those that should not
        CHECK(woken_.get_value() == count);
    }
    void end() {
        for (std::thread& thread : threads_)
            thread.join();
        CHECK(processes_.join());
    }

  private:
    mp::SemaphoreProxy sleeping(const mp::Manager& manager) {
        return sleeping_ = manager.Semaphore(0);
    }

    mp::ConditionProxy condition_;
    mp::SemaphoreProxy sleeping_;
    mp::SemaphoreProxy woken_;
    Bunch processes_;
    std::vector<std::thread> threads_;
};
void notify_once(mp::ConditionProxy condition) {
    const std::scoped_lock guard(condition);
    condition.notify();
}

void wait_for_four(mp::ConditionProxy condition, mp::ValueProxy<int> state) {
    const std::scoped_lock guard(condition);
    state.set(0);
    condition.notify();
    if (!condition.wait_for([&] { return state.get() == 4; }))
        throw std::logic_error("not four");
}
void wait_in_vain(mp::ConditionProxy condition, mp::ValueProxy<int> state,
                  mp::ValueProxy<bool> success) {
    const std::scoped_lock guard(condition);
    const auto begin = Clock::now();
    const bool result = condition.wait_for([&] { return state.get() == 4; }, 200ms);
    success.set(!result && Clock::now() - begin >= 200ms);
}

// ---- _TestBarrier

constexpr int parties = 5;

struct Table {
    mp::BarrierProxy barrier;
    mp::ListProxy<int> first;
    mp::ListProxy<int> second;
    mp::QueueProxy<int> results;
};
Table set_table(const mp::Manager& manager, mp::BarrierProxy barrier) {
    return {std::move(barrier), manager.list<int>(), manager.list<int>(), manager.Queue<int>()};
}
/// Runs the function in four processes and here.
template <class F>
bool run_parties(F function, const Table& table) {
    Bunch others(parties - 1, function, table);
    function(table);
    return others.join();
}
void cross(Table table, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        table.first.append(1);
        table.barrier.wait();
        if (table.first.size() != static_cast<std::size_t>((i + 1) * parties))
            throw std::logic_error("not in step");
        table.second.append(1);
        table.barrier.wait();
        if (table.second.size() != static_cast<std::size_t>((i + 1) * parties))
            throw std::logic_error("not in step");
    }
}
void cross_once(Table table) {
    cross(table, 1);
}
void cross_ten_times(Table table) {
    cross(table, 10);
}
void note_place(Table table) {
    table.results.put(static_cast<int>(table.barrier.wait()));
}
/// How often the action ran, as its process, the server, counts.
int rounds = 0;
void pass_and_look(Table table, mp::ValueProxy<int> window) {
    for (int i = 1; i <= 10; ++i) {
        table.barrier.wait();
        if (window.update(+[](int&) { return rounds; }) != i)
            throw std::logic_error("the action ran late, or more than once");
        table.results.put(i);
        // the next round does not begin before all have looked
        while (table.results.qsize() < static_cast<std::size_t>(i * parties))
            std::this_thread::sleep_for(1ms);
    }
}
void abort_it(Table table) {
    try {
        if (table.barrier.wait() == parties / 2 - 1)
            throw std::runtime_error("the one in the middle");
        table.barrier.wait();
        table.first.append(1);
    } catch (const std::runtime_error& error) {
        if (dynamic_cast<const mp::BrokenBarrierError*>(&error) != nullptr)
            table.second.append(1);
        else
            table.barrier.abort();
    }
}
void reset_it(Table table) {
    const auto place = table.barrier.wait();
    if (place == parties / 2) {
        while (table.barrier.n_waiting() < parties - 1)
            std::this_thread::sleep_for(1ms);
        table.barrier.reset();
    } else {
        try {
            table.barrier.wait();
            table.first.append(1);
        } catch (const mp::BrokenBarrierError&) {
            table.second.append(1);
        }
    }
    table.barrier.wait();
    table.results.put(1);
}
void stay_away(Table table) {
    const auto place = table.barrier.wait(patience);
    if (place == parties / 2)
        while (!table.barrier.broken())
            std::this_thread::sleep_for(1ms);
    try {
        place == parties / 2 ? table.barrier.wait() : table.barrier.wait(100ms);
    } catch (const mp::BrokenBarrierError&) {
        table.second.append(1);
    }
}

// ---- _TestQueue

void work_until_told(mp::QueueProxy<std::string> queue) {
    while (!queue.get().empty())
        queue.task_done();
    queue.task_done();
}
void put_numbers(mp::QueueProxy<int> queue, mp::EventProxy start) {
    start.wait();
    for (int i = 0; i < 20; ++i)
        queue.put(i);
}

}  // namespace

TEST_CASE("_TestLock with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto lock = manager.Lock();
    CHECK(lock.acquire());
    CHECK_FALSE(lock.acquire(false));
    lock.release();
    CHECK_THROWS_AS(lock.release(), mp::ValueError);

    const auto recursive = manager.RLock();
    for (int i = 0; i < 3; ++i)
        CHECK(recursive.acquire());
    std::thread([&] {
        CHECK_FALSE(recursive.try_lock());
        CHECK_THROWS_AS(recursive.release(), mp::ValueError);
    }).join();
    for (int i = 0; i < 3; ++i)
        recursive.release();
    CHECK_THROWS_AS(recursive.release(), mp::ValueError);
    {
        const std::scoped_lock both(lock, recursive);
        CHECK(lock.locked());
    }
    CHECK_FALSE(lock.locked());
}

TEST_CASE("_TestSemaphore with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto semaphore = manager.Semaphore(2);
    CHECK(semaphore.acquire());
    CHECK(semaphore.acquire());
    CHECK(semaphore.get_value() == 0);
    CHECK_FALSE(semaphore.acquire(false));
    CHECK(time_of([&] { CHECK_FALSE(semaphore.acquire(60ms)); }) >= 60ms);
    semaphore.release();
    semaphore.release(3);
    CHECK(semaphore.get_value() == 4);
    const auto bounded = manager.BoundedSemaphore(2);
    bounded.acquire();
    bounded.release();
    CHECK_THROWS_AS(bounded.release(), mp::ValueError);
    CHECK_THROWS_AS(manager.Semaphore(-1), mp::ValueError);
}

TEST_CASE("_TestCondition.test_notify with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    Sleepers sleepers(manager, 1);
    sleepers.require_woken(0);
    sleepers.locked([](const auto& condition) { condition.notify(); });
    sleepers.require_woken(1);
    sleepers.locked([](const auto& condition) { condition.notify(); });
    sleepers.require_woken(2);
    sleepers.end();
    const auto condition = manager.Condition();
    CHECK_THROWS_AS(condition.notify(), mp::ValueError);
    CHECK_THROWS_AS(condition.wait(), mp::ValueError);
}

TEST_CASE("_TestCondition.test_notify_all with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    Sleepers impatient(manager, 3, 50);
    impatient.require_woken(6);
    impatient.end();
    Sleepers sleepers(manager, 3);
    sleepers.require_woken(0);
    sleepers.locked([](const auto& condition) { condition.notify_all(); });
    sleepers.require_woken(6);
    sleepers.end();
}

TEST_CASE("_TestCondition.test_notify_n with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    Sleepers sleepers(manager, 3);
    sleepers.require_woken(0);
    sleepers.locked([](const auto& condition) { condition.notify(2); });
    sleepers.require_woken(2);
    sleepers.locked([](const auto& condition) { condition.notify(4); });
    sleepers.require_woken(6);
    sleepers.locked([](const auto& condition) { condition.notify(3); });
    sleepers.require_woken(6);
    sleepers.end();
}

TEST_CASE("_TestCondition.test_wait_result with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto condition = manager.Condition();
    std::thread thread;
    {
        // who notifies gets the lock by our wait alone, so that no notification comes too early
        const std::scoped_lock guard(condition);
        Bunch other(1, notify_once, condition);
        CHECK(condition.wait(patience));
        CHECK(other.join());
        CHECK_FALSE(condition.wait(0s));
        thread = std::thread(notify_once, condition);
        CHECK(condition.wait());
        CHECK_FALSE(condition.wait(50ms));
    }
    thread.join();
}

TEST_CASE("_TestCondition.test_timeout with a manager, and a wait that is interrupted",
          "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto condition = manager.Condition();
    const std::scoped_lock guard(condition);
    CHECK(time_of([&] { CHECK_FALSE(condition.wait(60ms)); }) >= 60ms);
    condition.acquire();  // at two levels
    const mp::InterruptGuard interrupts;
    const pid_t self = ::getpid();
    std::thread signaller([&] {
        std::this_thread::sleep_for(50ms);
        ::kill(self, SIGINT);
    });
    CHECK_THROWS_AS(condition.wait(patience), mp::KeyboardInterrupt);
    signaller.join();
    condition.notify();  // holding the lock again, at both levels
    condition.release();
    condition.notify();
}

TEST_CASE("_TestCondition.test_waitfor with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto condition = manager.Condition();
    const auto state = manager.Value<int>(-1);
    Bunch others(1, wait_for_four, condition, state);
    {
        const std::scoped_lock guard(condition);
        CHECK(condition.wait_for([&] { return state.get() == 0; }, patience));
    }
    for (int i = 0; i < 4; ++i) {
        const std::scoped_lock guard(condition);
        state.update([](int& n) { ++n; });
        condition.notify();
    }
    CHECK(others.join());
    const auto success = manager.Value<bool>(false);
    state.set(0);
    Bunch vain(1, wait_in_vain, condition, state, success);
    for (int i = 0; i < 3; ++i) {
        const std::scoped_lock guard(condition);
        condition.notify_all();
    }
    CHECK(vain.join());
    CHECK(success.get());
}

TEST_CASE("_TestEvent.test_event with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto event = manager.Event();
    CHECK_FALSE(event.is_set());
    CHECK_FALSE(event.wait(0s));
    CHECK(time_of([&] { CHECK_FALSE(event.wait(60ms)); }) >= 60ms);
    event.set();
    CHECK(event.wait());
    CHECK(event.wait(60ms));
    event.clear();
    Bunch others(
        1, +[](mp::EventProxy flag) { flag.set(); }, event);
    CHECK(event.wait());
    CHECK(others.join());
}

TEST_CASE("_TestBarrier.test_barrier to test_wait_return with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    CHECK(run_parties(cross_once, set_table(manager, manager.Barrier(parties))));
    CHECK(run_parties(cross_ten_times, set_table(manager, manager.Barrier(parties))));
    const Table table = set_table(manager, manager.Barrier(parties));
    CHECK(run_parties(note_place, table));
    std::vector<int> places;
    while (!table.results.empty())
        places.push_back(table.results.get());
    std::ranges::sort(places);
    CHECK(places == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(manager.Barrier(1).wait() == 0);
    CHECK_THROWS_AS(manager.Barrier(0), mp::ValueError);
}

TEST_CASE("_TestBarrier.test_action with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager({.start_method = fork_or_spawn()});
    const Table table = set_table(manager, manager.Barrier(
                                               parties, +[] { ++rounds; }));
    const auto window = manager.Value<int>(0);
    Bunch others(parties - 1, pass_and_look, table, window);
    pass_and_look(table, window);
    CHECK(others.join());
    CHECK(window.update(+[](int&) { return rounds; }) == 10);
    CHECK(rounds == 0);  // it runs in the server
    const auto failing = manager.Barrier(
        1, +[] { throw std::domain_error("no"); });
    CHECK_THROWS_AS(failing.wait(), std::domain_error);
    CHECK(failing.broken());
}

TEST_CASE("_TestBarrier.test_abort, test_reset and test_abort_and_reset with a manager",
          "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const Table aborted = set_table(manager, manager.Barrier(parties));
    CHECK(run_parties(abort_it, aborted));
    CHECK(aborted.first.empty());
    CHECK(aborted.second.size() == parties - 1);
    CHECK(aborted.barrier.broken());
    CHECK_THROWS_AS(aborted.barrier.wait(), mp::BrokenBarrierError);
    aborted.barrier.reset();
    CHECK_FALSE(aborted.barrier.broken());
    CHECK(run_parties(note_place, aborted));

    const Table reset = set_table(manager, manager.Barrier(parties));
    CHECK(run_parties(reset_it, reset));
    CHECK(reset.first.empty());
    CHECK(reset.second.size() == parties - 1);
    CHECK(reset.results.qsize() == parties);
}

TEST_CASE("_TestBarrier.test_timeout and test_default_timeout with a manager",
          "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const Table table = set_table(manager, manager.Barrier(parties));
    CHECK(run_parties(stay_away, table));
    CHECK(table.second.size() == parties);
    CHECK(table.barrier.broken());
    const auto impatient = manager.Barrier(2, {}, 60ms);
    CHECK(time_of([&] { CHECK_THROWS_AS(impatient.wait(), mp::BrokenBarrierError); }) >= 60ms);
}

TEST_CASE("_TestQueue with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto queue = manager.Queue<int>(6);
    CHECK(queue.empty());
    queue.put(1);
    queue.put(2, 10s);
    queue.put(3, 0s);
    queue.put_nowait(4);
    queue.put(5, -1s);
    queue.put(6);
    CHECK(queue.full());
    CHECK_THROWS_AS(queue.put_nowait(7), mp::Full);
    CHECK(time_of([&] { CHECK_THROWS_AS(queue.put(7, 60ms), mp::Full); }) >= 60ms);
    // who waits for room goes on when there is some, in the order in which they came
    std::thread putter([&] { queue.put(7); });
    for (int i = 1; i <= 7; ++i)
        CHECK(queue.get(patience) == i);
    putter.join();
    CHECK_THROWS_AS(queue.get_nowait(), mp::Empty);
    CHECK(time_of([&] { CHECK_THROWS_AS(queue.get(60ms), mp::Empty); }) >= 60ms);

    const auto start = manager.Event();
    Bunch others(1, put_numbers, queue, start);
    start.set();
    for (int i = 0; i < 20; ++i)
        CHECK(queue.get() == i);
    CHECK(others.join());
}

TEST_CASE("_TestQueue.test_task_done with a manager", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto queue = manager.JoinableQueue<std::string>();
    Bunch workers(4, work_until_told, queue);
    for (int i = 0; i < 10; ++i)
        queue.put(std::to_string(i));
    queue.join();
    CHECK(queue.empty());
    for (int i = 0; i < 4; ++i)
        queue.put("");
    CHECK(workers.join());
    CHECK(queue.join(0s));
}
