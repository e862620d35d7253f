// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestLock, _TestSemaphore, _TestCondition and _TestEvent, with
// processes of every start method.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing.hpp>
#include <multiprocessing/shared/value.hpp>
#include <multiprocessing/synchronize.hpp>

#include "process/process_tools.hpp"

using namespace process_test;

namespace {

/// Starts a daemonic process, which is killed at the end of a case that fails half way.
template <class... A>
mp::Process started(mp::StartMethod method, void (*target)(A...),
                    std::type_identity_t<mp::arguments<A...>> arguments) {
    mp::Process process(target, std::move(arguments), {.daemon = true, .start_method = method});
    process.start();
    return process;
}

void end_well(std::vector<mp::Process>& processes) {
    for (mp::Process& process : processes) {
        REQUIRE(process.join(patience));
        CHECK(process.exitcode() == 0);
    }
}

}  // namespace

// ---- _TestLock

TEST_CASE("_TestLock.test_lock", "[parity][locks]") {
    const Watch watch;
    const mp::Lock lock;
    CHECK(lock.acquire());
    CHECK_FALSE(lock.acquire(false));
    CHECK_NOTHROW(lock.release());
    CHECK_THROWS_AS(lock.release(), mp::ValueError);
}

TEST_CASE("_TestLock.test_rlock", "[parity][locks]") {
    const Watch watch;
    const mp::RLock lock;
    for (int i = 0; i < 3; ++i)
        CHECK(lock.acquire());
    for (int i = 0; i < 3; ++i)
        CHECK_NOTHROW(lock.release());
    CHECK_THROWS_AS(lock.release(), mp::ValueError);
}

TEST_CASE("_TestLock.test_lock_context, test_rlock_context", "[parity][locks]") {
    const Watch watch;
    const mp::Lock lock;
    const mp::RLock recursive;
    {
        const std::scoped_lock both(lock, recursive);
        const std::scoped_lock again(recursive);
        CHECK_FALSE(lock.try_lock());
    }
    CHECK(lock.try_lock());
    lock.unlock();
}

namespace {
template <class Lock>
void hold_until_told(Lock lock, mp::Event held, mp::Event may_end) {
    const std::scoped_lock guard(lock);
    held.set();
    may_end.wait();
}

template <class Lock>
void check_held_by_other(mp::StartMethod method) {
    const Lock lock;
    const mp::Event held;
    const mp::Event may_end;
    std::vector<mp::Process> others;
    others.push_back(started(method, hold_until_told<Lock>, {lock, held, may_end}));
    REQUIRE(held.wait(patience));
    CHECK(lock.locked());
    CHECK_FALSE(lock.acquire(false));
    CHECK_FALSE(lock.acquire(50ms));
    CHECK_THROWS_AS(lock.release(), mp::ValueError);
    may_end.set();
    CHECK(lock.acquire(patience));
    CHECK(lock.locked());
    lock.release();
    end_well(others);
    CHECK_FALSE(lock.locked());
}
}  // namespace

TEST_CASE("_TestLock.test_lock_locked_2processes, test_rlock_locked_2processes",
          "[parity][locks]") {
    const Watch watch;
    const auto method = every_method();
    check_held_by_other<mp::Lock>(method);
    check_held_by_other<mp::RLock>(method);
}

namespace {
/// Ways in which a process ends without a release.
enum class End { killed, terminated, exits, returns };

void die_with(mp::Lock lock, mp::RLock recursive, mp::Event held, End end) {
    lock.acquire();
    recursive.acquire();
    recursive.acquire();
    held.set();
    switch (end) {
        case End::killed:
            ::raise(SIGKILL);
            break;
        case End::terminated:
            sleep_long();
            break;
        case End::exits:
            std::exit(0);
        case End::returns:
            break;
    }
}
}  // namespace

TEST_CASE("A lock whose holder has ended says so once, however it ended and was started",
          "[parity][locks]") {
    const Watch watch;
    const auto method = every_method();
    const auto end = GENERATE(End::killed, End::terminated, End::exits, End::returns);
    const mp::Lock lock;
    const mp::RLock recursive;
    const mp::Event held;
    auto holder = started(method, die_with, {lock, recursive, held, end});
    REQUIRE(held.wait(patience));
    if (end == End::terminated)
        holder.terminate();
    REQUIRE(holder.join(patience));
    CHECK(holder.exitcode() == (end == End::killed       ? -SIGKILL
                                : end == End::terminated ? -SIGTERM
                                                         : 0));
    CHECK_THROWS_AS(lock.acquire(), mp::OwnerDiedError);
    CHECK_THROWS_AS(recursive.try_lock(), mp::OwnerDiedError);
    CHECK(lock.acquire(false));
    CHECK(recursive.acquire(false));
    lock.release();
    recursive.release();
}

// ---- _TestSemaphore

namespace {
template <class Semaphore>
void check_semaphore(const Semaphore& semaphore) {
    CHECK(semaphore.get_value() == 2);
    CHECK(semaphore.acquire());
    CHECK(semaphore.get_value() == 1);
    CHECK(semaphore.acquire());
    CHECK(semaphore.get_value() == 0);
    CHECK(semaphore.locked());
    CHECK_FALSE(semaphore.acquire(false));
    CHECK(semaphore.get_value() == 0);
    CHECK_NOTHROW(semaphore.release());
    CHECK(semaphore.get_value() == 1);
    CHECK_FALSE(semaphore.locked());
    CHECK_NOTHROW(semaphore.release());
    CHECK(semaphore.get_value() == 2);
}

void release_too_often(mp::BoundedSemaphore semaphore) {
    semaphore.release();
    try {
        semaphore.release();
    } catch (const mp::ValueError&) {
        return;
    }
    std::exit(1);
}
void release_three(mp::Semaphore semaphore) {
    for (int i = 0; i < 3; ++i)
        semaphore.release();
}
}  // namespace

TEST_CASE("_TestSemaphore.test_semaphore", "[parity][locks]") {
    const Watch watch;
    const mp::Semaphore semaphore(2);
    check_semaphore(semaphore);
    semaphore.release();
    CHECK(semaphore.get_value() == 3);
    semaphore.release();
    CHECK(semaphore.get_value() == 4);
}

TEST_CASE("_TestSemaphore.test_semaphore, released by another process", "[parity][locks]") {
    const Watch watch;
    const mp::Semaphore semaphore(0);
    std::vector<mp::Process> others;
    others.push_back(started(every_method(), release_three, {semaphore}));
    for (int i = 0; i < 3; ++i)
        CHECK(semaphore.acquire(patience));
    end_well(others);
    CHECK(semaphore.get_value() == 0);
}

TEST_CASE("_TestSemaphore.test_bounded_semaphore", "[parity][locks]") {
    const Watch watch;
    const mp::BoundedSemaphore semaphore(2);
    check_semaphore(semaphore);
    CHECK_THROWS_AS(semaphore.release(), mp::ValueError);
    CHECK(semaphore.get_value() == 2);
}

TEST_CASE("_TestSemaphore.test_bounded_semaphore, released by another process", "[parity][locks]") {
    const Watch watch;
    const mp::BoundedSemaphore semaphore(2);
    CHECK(semaphore.acquire());
    std::vector<mp::Process> others;
    others.push_back(started(every_method(), release_too_often, {semaphore}));
    end_well(others);
    CHECK(semaphore.get_value() == 2);
}

TEST_CASE("_TestSemaphore.test_timeout", "[parity][locks]") {
    const Watch watch;
    const mp::Semaphore semaphore(0);
    CHECK(time_of([&] { CHECK_FALSE(semaphore.acquire(false)); }) < 5s);
    CHECK(time_of([&] { CHECK_FALSE(semaphore.acquire(-1s)); }) < 5s);
    CHECK(time_of([&] { CHECK_FALSE(semaphore.acquire(0s)); }) < 5s);
    CHECK(time_of([&] { CHECK_FALSE(semaphore.acquire(200ms)); }) >= 200ms);
}

TEST_CASE("A semaphore has at most 2147483647 permits and at least none", "[parity][locks]") {
    CHECK_THROWS_AS(mp::Semaphore(-1), mp::ValueError);
    CHECK_THROWS_AS(mp::Semaphore(2'147'483'648), mp::ValueError);
    const mp::Semaphore full(2'147'483'647);
    CHECK_THROWS_AS(full.release(), mp::ValueError);
    CHECK_NOTHROW(full.acquire());
    CHECK_NOTHROW(full.release());
}

// ---- _TestCondition

namespace {

/// Waits as CPython's helper: says that it sleeps, waits, says that it woke.
void sleep_on(mp::Condition condition, mp::Semaphore sleeping, mp::Semaphore woken,
              std::chrono::milliseconds limit) {
    const std::scoped_lock guard(condition);
    sleeping.release();
    if (limit > 0ms)
        (void)condition.wait(limit);
    else
        condition.wait();
    woken.release();
}

/// Three processes and three threads that sleep on a condition.
class Sleepers {
  public:
    Sleepers(mp::StartMethod method, const mp::Condition& condition, const mp::Semaphore& sleeping,
             const mp::Semaphore& woken, std::chrono::milliseconds limit = 0ms) {
        for (int i = 0; i < 3; ++i)
            processes_.push_back(started(method, sleep_on, {condition, sleeping, woken, limit}));
        for (int i = 0; i < 3; ++i)
            threads_.emplace_back(sleep_on, condition, sleeping, woken, limit);
        for (int i = 0; i < 6; ++i)
            REQUIRE(sleeping.acquire(patience));
    }
    void end() {
        for (std::thread& thread : threads_)
            thread.join();
        end_well(processes_);
    }

  private:
    std::vector<mp::Process> processes_;
    std::vector<std::thread> threads_;
};

template <class Work>
void locked(const mp::Condition& condition, Work work) {
    const std::scoped_lock guard(condition);
    work();
}

/// Six can be woken in all; `now` of them are.
void require_woken(const mp::Semaphore& woken, std::uint32_t now) {
    REQUIRE(eventually([&] { return woken.get_value() >= now; }));
    std::this_thread::sleep_for(20ms);  // no more than those
    CHECK(woken.get_value() == now);
}

}  // namespace

TEST_CASE("_TestCondition.test_notify", "[parity][locks]") {
    const Watch watch;
    const mp::Condition condition;
    const mp::Semaphore sleeping(0);
    const mp::Semaphore woken(0);
    std::vector<mp::Process> processes;
    processes.push_back(started(every_method(), sleep_on, {condition, sleeping, woken, 0ms}));
    std::thread thread(sleep_on, condition, sleeping, woken, 0ms);
    CHECK(sleeping.acquire(patience));
    CHECK(sleeping.acquire(patience));
    require_woken(woken, 0);
    locked(condition, [&] { condition.notify(); });
    require_woken(woken, 1);
    locked(condition, [&] { condition.notify(); });
    require_woken(woken, 2);
    thread.join();
    end_well(processes);
}

TEST_CASE("_TestCondition.test_notify_all", "[parity][locks]") {
    const Watch watch;
    const auto method = every_method();
    const mp::Condition condition;
    const mp::Semaphore sleeping(0);
    const mp::Semaphore woken(0);
    Sleepers impatient(method, condition, sleeping, woken, 50ms);
    for (int i = 0; i < 6; ++i)
        REQUIRE(woken.acquire(patience));
    CHECK(woken.get_value() == 0);
    impatient.end();

    Sleepers sleepers(method, condition, sleeping, woken);
    require_woken(woken, 0);
    locked(condition, [&] { condition.notify_all(); });
    require_woken(woken, 6);
    sleepers.end();
}

TEST_CASE("_TestCondition.test_notify_n", "[parity][locks]") {
    const Watch watch;
    const mp::Condition condition;
    const mp::Semaphore sleeping(0);
    const mp::Semaphore woken(0);
    Sleepers sleepers(every_method(), condition, sleeping, woken);
    require_woken(woken, 0);
    locked(condition, [&] { condition.notify(2); });
    require_woken(woken, 2);
    locked(condition, [&] { condition.notify(4); });
    require_woken(woken, 6);
    locked(condition, [&] { condition.notify(3); });
    require_woken(woken, 6);
    sleepers.end();
}

TEST_CASE("_TestCondition.test_timeout", "[parity][locks]") {
    const Watch watch;
    const mp::Condition condition;
    const std::scoped_lock guard(condition);
    CHECK(time_of([&] { CHECK_FALSE(condition.wait(200ms)); }) >= 200ms);
}

namespace {
void set_zero_and_await_four(mp::Condition condition, mp::Value<int> state) {
    const std::scoped_lock guard(condition);
    state.value() = 0;
    condition.notify();
    if (!condition.wait_for([&] { return state.value() == 4; }))
        std::exit(1);
}
void await_four_in_vain(mp::Condition condition, mp::Value<int> state, mp::Value<bool> success,
                        mp::Semaphore ready) {
    const std::scoped_lock guard(condition);
    constexpr auto expected = 100ms;
    ready.release();
    bool result = true;
    const auto time =
        time_of([&] { result = condition.wait_for([&] { return state.value() == 4; }, expected); });
    success.value() = !result && time >= expected;
}
void interrupt_after(pid_t pid, std::chrono::milliseconds pause) {
    std::this_thread::sleep_for(pause);
    ::kill(pid, SIGINT);
}
}  // namespace

TEST_CASE("_TestCondition.test_waitfor", "[parity][locks]") {
    const Watch watch;
    const mp::Condition condition;
    const mp::Value<int> state(-1);
    std::vector<mp::Process> processes;
    processes.push_back(started(every_method(), set_zero_and_await_four, {condition, state}));
    locked(condition, [&] {
        CHECK(condition.wait_for([&] { return state.value() == 0; }));
        CHECK(state.value() == 0);
    });
    for (int i = 0; i < 4; ++i) {
        std::this_thread::sleep_for(5ms);
        locked(condition, [&] {
            ++state.value();
            condition.notify();
        });
    }
    end_well(processes);
}

TEST_CASE("_TestCondition.test_waitfor_timeout", "[parity][locks]") {
    const Watch watch;
    const mp::Condition condition;
    const mp::Value<int> state(0);
    const mp::Value<bool> success(false);
    const mp::Semaphore ready(0);
    std::vector<mp::Process> processes;
    processes.push_back(
        started(every_method(), await_four_in_vain, {condition, state, success, ready}));
    REQUIRE(ready.acquire(patience));
    for (int i = 0; i < 3; ++i) {  // it looks again, and waits no longer for that
        std::this_thread::sleep_for(10ms);
        locked(condition, [&] {
            ++state.value();
            condition.notify();
        });
    }
    end_well(processes);
    CHECK(success.value());
}

namespace {
void notify_once(mp::Condition condition) {
    locked(condition, [&] { condition.notify(); });
}
}  // namespace

TEST_CASE("_TestCondition.test_wait_result: true when notified, false at the end of the time",
          "[parity][locks]") {
    const Watch watch;
    const mp::Condition condition;
    std::vector<mp::Process> others;
    std::thread thread;
    {
        // who notifies gets the lock by our wait alone, so that no notification comes too early
        const std::scoped_lock guard(condition);
        others.push_back(started(every_method(), notify_once, {condition}));
        CHECK(condition.wait(patience));
        CHECK_FALSE(condition.wait(0s));
        thread = std::thread(notify_once, condition);
        CHECK(condition.wait());
        CHECK_FALSE(condition.wait(50ms));
    }
    thread.join();
    end_well(others);
}

TEST_CASE("_TestCondition.test_wait_result: interrupted", "[parity][locks]") {
    const Watch watch;
    const mp::InterruptGuard interrupts;
    const mp::Condition condition;
    const std::scoped_lock guard(condition);
    CHECK_FALSE(condition.wait(0s));
    CHECK_FALSE(condition.wait(100ms));
    auto other = started(mp::StartMethod::spawn, interrupt_after, {::getpid(), 50ms});
    CHECK_THROWS_AS(condition.wait(patience), mp::KeyboardInterrupt);
    CHECK(other.join(patience));

    // the interrupted wait holds the lock: nobody else may notify or wait
    std::thread([&] {
        CHECK_THROWS_AS(condition.notify(), mp::ValueError);
        CHECK_THROWS_AS(condition.wait(0s), mp::ValueError);
    }).join();
}

// ---- _TestEvent

namespace {
void set_after_a_moment(mp::Event event) {
    std::this_thread::sleep_for(30ms);
    event.set();
}
}  // namespace

TEST_CASE("_TestEvent.test_event", "[parity][locks]") {
    const Watch watch;
    const mp::Event event;
    CHECK_FALSE(event.is_set());
    CHECK(time_of([&] { CHECK_FALSE(event.wait(0s)); }) < 5s);
    CHECK(time_of([&] { CHECK_FALSE(event.wait(200ms)); }) >= 200ms);
    event.set();
    CHECK(event.is_set());
    CHECK(event.wait());
    CHECK(time_of([&] { CHECK(event.wait(patience)); }) < 5s);
    event.clear();
    CHECK_FALSE(event.is_set());
    std::vector<mp::Process> processes;
    processes.push_back(started(every_method(), set_after_a_moment, {event}));
    CHECK(event.wait(patience));
    CHECK(event.is_set());
    end_well(processes);
}
