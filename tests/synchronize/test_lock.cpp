// SPDX-License-Identifier: BSL-1.0
// Lock, RLock and AnyLock: who holds them, who may release them, and what a copy names.
#include <multiprocessing/synchronize/lock.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <ctime>

#include <algorithm>
#include <functional>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/synchronize/barrier.hpp>
#include <multiprocessing/synchronize/condition.hpp>
#include <multiprocessing/synchronize/event.hpp>
#include <multiprocessing/synchronize/semaphore.hpp>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;

TEST_CASE("A Lock is held by one process at a time", "[synchronize]") {
    const mp::Lock lock;
    CHECK(lock.acquire());
    Child other([&] { return lock.acquire(false) || lock.acquire(10ms) || lock.try_lock(); });
    CHECK(other.join() == 0);
    lock.release();
    Child next([&] {
        const std::scoped_lock guard(lock);
        return 7;
    });
    CHECK(next.join() == 7);
}

TEST_CASE("acquire takes Python's block and timeout", "[synchronize]") {
    const mp::Lock lock;
    CHECK(lock.acquire(true, std::chrono::hours(1)));
    Child other([&] {
        const bool refused = !lock.acquire(true, std::chrono::milliseconds(1)) &&
                             !lock.acquire(false, std::chrono::hours(1));
        return refused ? 0 : 1;
    });
    CHECK(other.join() == 0);
    lock.release();
    const mp::Semaphore semaphore(1);
    CHECK(semaphore.acquire(false, std::chrono::hours(1)));
    CHECK_FALSE(semaphore.acquire(true, std::chrono::milliseconds(1)));
    const mp::Condition condition;
    CHECK(condition.acquire(true, std::chrono::hours(1)));
    condition.release();
}

TEST_CASE("Only the holder releases a lock", "[synchronize]") {
    const mp::Lock lock;
    const mp::RLock recursive;
    CHECK_THROWS_AS(lock.release(), mp::ValueError);
    CHECK_THROWS_AS(recursive.release(), mp::ValueError);
    lock.acquire();
    Child other([&] {
        try {
            lock.release();
        } catch (const mp::ValueError&) {
            return 3;
        }
        return 0;
    });
    CHECK(other.join() == 3);
    lock.release();
}

TEST_CASE("An RLock is free when it was released as often as it was acquired", "[synchronize]") {
    const mp::RLock lock;
    const auto taken_elsewhere = [&] {
        return Child([&] { return lock.acquire(false) ? (lock.release(), 1) : 0; }).join();
    };
    lock.acquire();
    CHECK(lock.acquire(false));
    lock.release();
    CHECK(taken_elsewhere() == 0);
    lock.release();
    CHECK(taken_elsewhere() == 1);
}

TEST_CASE("The death of a holder is told once, then the lock works as before", "[synchronize]") {
    const mp::Lock lock;
    Child holder([&] { return lock.acquire() ? 0 : 1; });
    CHECK(holder.join() == 0);
    CHECK_THROWS_AS(lock.acquire(), mp::OwnerDiedError);
    CHECK(lock.acquire(false));
    lock.release();
}

TEST_CASE("Copies and pickled handles name the same lock", "[synchronize]") {
    const mp::RLock lock;
    const mp::AnyLock any = lock;
    const auto arrived = mp::loads<mp::RLock>(mp::dumps(lock));
    CHECK(any == lock);
    CHECK(arrived == lock);
    CHECK_FALSE(mp::RLock() == lock);
    arrived.acquire();
    any.release();
}

TEST_CASE("A named Lock is one lock for all who open it", "[synchronize]") {
    const std::string name = "test-lock-" + std::to_string(::getpid());
    const mp::Lock first(name);
    const mp::Lock second(name);
    first.acquire();
    Child other([&] { return second.acquire(false) ? 1 : 0; });
    CHECK(other.join() == 0);
    second.release();
    // A process that has forked leaves the name to its family's end.
    ::unlink(("/dev/shm/multiprocessing-" + std::to_string(::geteuid()) + "-lock-" + name).c_str());
}

TEST_CASE("A handle that names no lock, or was moved from, throws", "[synchronize]") {
    const mp::AnyLock none;
    CHECK_THROWS_AS(none.acquire(), mp::ValueError);
    CHECK_THROWS_AS(none.acquire(1ms), mp::ValueError);
    CHECK_THROWS_AS(none.try_lock(), mp::ValueError);
    CHECK_THROWS_AS(none.release(), mp::ValueError);
    CHECK_THROWS_AS(mp::dumps(none), mp::PicklingError);
    CHECK_THROWS_AS(mp::Condition(none).acquire(), mp::ValueError);
    CHECK_THROWS_AS(mp::Condition(none).wait(1ms), mp::ValueError);
    CHECK_THROWS_AS(mp::Condition(none).notify(), mp::ValueError);

    mp::Lock lock;
    const mp::Lock moved = std::move(lock);
    CHECK(moved.acquire(false));
    moved.release();
    CHECK_THROWS_AS(lock.acquire(), mp::ValueError);
    lock = moved;
    CHECK(lock.acquire(false));
    lock.release();

    mp::Semaphore semaphore;
    mp::Event event;
    const mp::Semaphore moved_semaphore = std::move(semaphore);
    const mp::Event moved_event = std::move(event);
    CHECK_THROWS_AS(semaphore.acquire(), mp::ValueError);
    CHECK_THROWS_AS(semaphore.get_value(), mp::ValueError);
    CHECK_THROWS_AS(event.is_set(), mp::ValueError);
    CHECK_THROWS_AS(event.set(), mp::ValueError);
}

TEST_CASE("A lock that is dropped while it is held does no harm", "[synchronize]") {
    Child careless([] {
        {
            const std::vector<mp::Lock> locks(2000);
            locks[0].acquire();
        }
        // the C library links the next one that is taken to the last one
        const mp::Lock next;
        next.acquire();
        next.release();
        return 0;
    });
    CHECK(careless.join() == 0);
}

TEST_CASE("A handle that names too little memory is refused", "[synchronize]") {
    const mp::Event event;
    auto bytes = mp::dumps(event);  // 4 bytes in their own 64
    const auto as = [&]<class Handle>(const Handle& other) {
        const auto head = mp::dumps(other);  // the type's name, and the size of the rest
        auto forged = bytes;
        std::ranges::copy(std::span(head).first(sizeof(mp::detail::pickle_header)), forged.begin());
        return mp::loads<Handle>(forged);
    };
    CHECK(as(event) == event);
    CHECK_THROWS_AS(as(mp::Lock()), mp::UnpicklingError);
    CHECK_THROWS_AS(as(mp::RLock()), mp::UnpicklingError);
    CHECK_THROWS_AS(as(mp::Semaphore()), mp::UnpicklingError);
}

namespace {
/// How often this process, or the process that forked it before, has asked for the time of day.
int times_of_day_read = 0;
}  // namespace

/// Stands before the C library's.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
    if (clock == CLOCK_REALTIME)
        ++times_of_day_read;
    return static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
}

TEST_CASE("No wait with a timeout looks at the time of day, which may be set", "[synchronize]") {
    if (thread_sanitizer)
        return;
    const mp::Lock lock;
    const mp::RLock recursive;
    const mp::Semaphore semaphore(0);
    const mp::Event event;
    const mp::Barrier barrier(2);
    const std::scoped_lock held(lock, recursive);
    const std::vector<std::function<void()>> waits{
        [&] { lock.acquire(50ms); },
        [&] { recursive.acquire(50ms); },
        [&] { semaphore.acquire(50ms); },
        [&] { event.wait(50ms); },
        [] {
            const mp::Condition condition;
            const std::scoped_lock guard(condition);
            condition.wait(50ms);
        },
        [] {
            const mp::Condition condition;
            const std::scoped_lock guard(condition);
            condition.wait_for([] { return false; }, 50ms);
        },
        [&] {
            barrier.reset();
            try {
                barrier.wait(50ms);
            } catch (const mp::BrokenBarrierError&) {
            }
        },
    };
    (void)std::chrono::system_clock::now();
    CHECK(times_of_day_read > 0);  // it would be noticed
    for (std::size_t i = 0; i < waits.size(); ++i) {
        INFO("wait " << i);
        Child timed([&] {
            times_of_day_read = 0;
            const auto time = time_of(waits[i]);
            return time < 50ms || time > 10s ? 1 : times_of_day_read == 0 ? 0 : 2;
        });
        CHECK(timed.join() == 0);
        Child waiter([&]() -> int {  // killed below
            for (;;)
                waits[i]();
        });
        const auto operation = waiter.futex_operation();
        REQUIRE(operation);
        CHECK((*operation & FUTEX_CLOCK_REALTIME) == 0);
    }
}
