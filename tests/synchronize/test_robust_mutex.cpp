// SPDX-License-Identifier: BSL-1.0
// The robust mutex: who holds it, what its next owner learns, and how long a wait for it takes.
#include <linux/futex.h>

#include <multiprocessing/os/robust_mutex.hpp>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;
using mp::os::grant;
using mp::os::robust_mutex;

namespace {
mp::detail::Deadline in(mp::Timeout timeout) {
    return mp::detail::Deadline(timeout);
}
/// Tries it as somebody who does not hold it, which ThreadSanitizer calls an error.
bool unlocks(robust_mutex& mutex) {
    return !thread_sanitizer && mutex.unlock();
}
}  // namespace

TEST_CASE("A robust mutex has one holder, who alone can unlock it", "[synchronize]") {
    const Shared<robust_mutex> mutex;
    CHECK(mutex->holder() == 0);
    CHECK_FALSE(unlocks(*mutex));
    CHECK(mutex->try_lock() == grant::acquired);
    CHECK(mutex->held_by_caller());
    CHECK(mutex->try_lock() == grant::already_held);
    CHECK(mutex->lock() == grant::already_held);

    std::thread([&] {
        CHECK_FALSE(mutex->held_by_caller());
        CHECK(mutex->held_by_this_process());
        CHECK_FALSE(unlocks(*mutex));
        CHECK(mutex->try_lock() == grant::refused);
    }).join();

    Child other([&] {
        return mutex->held_by_caller() || mutex->held_by_this_process() || unlocks(*mutex) ||
                       mutex->try_lock() != grant::refused
                   ? 1
                   : 0;
    });
    CHECK(other.join() == 0);
    CHECK(mutex->unlock());
    CHECK(mutex->holder() == 0);
}

TEST_CASE("The next owner learns once that a process died with the mutex", "[synchronize]") {
    const Shared<robust_mutex> mutex;
    Child holder([&] { return mutex->lock() == grant::acquired ? 0 : 1; });
    REQUIRE(holder.join() == 0);
    CHECK(mutex->lock() == grant::owner_died);
    CHECK(mutex->held_by_caller());
    CHECK(mutex->unlock());
    CHECK(mutex->try_lock() == grant::acquired);
    CHECK(mutex->unlock());
}

TEST_CASE("A thread that ends with the mutex counts as dead", "[synchronize]") {
    const Shared<robust_mutex> mutex;
    std::thread([&] { (void)mutex->lock(); }).join();
    CHECK(mutex->try_lock() == grant::owner_died);
    CHECK(mutex->unlock());
}

TEST_CASE("Who sleeps on the mutex is woken by the death of its holder", "[synchronize]") {
    const Shared<robust_mutex> mutex;
    Child holder([&] {
        (void)mutex->lock();
        ::pause();
        return 0;
    });
    REQUIRE(eventually([&] { return mutex->holder() == holder.pid(); }));
    Child waiter([&] { return mutex->lock() == grant::owner_died ? 0 : 1; });
    REQUIRE(eventually([&] { return waiter.sleeps(); }));
    holder.kill();
    CHECK(waiter.join() == 0);
}

TEST_CASE("A wait for the mutex ends at its deadline, not before", "[synchronize]") {
    const Shared<robust_mutex> mutex;
    REQUIRE(mutex->lock() == grant::acquired);
    Child waiter([&] {
        const auto time = time_of([&] {
            if (mutex->lock(in(250ms)) != grant::refused)
                throw 0;
        });
        return time >= 250ms && time < 5s ? 0 : 1;
    });
    CHECK(waiter.join() == 0);
    CHECK(mutex->unlock());
}

TEST_CASE("An interrupt ends a wait for the mutex only where that is asked for", "[synchronize]") {
    const Shared<robust_mutex> mutex;
    REQUIRE(mutex->lock() == grant::acquired);
    Child waiter([&] {
        mp::detail::interrupt_pending = true;
        if (mutex->lock(in(150ms)) != grant::refused)
            return 1;
        try {
            (void)mutex->lock_unless_interrupted();
        } catch (const mp::KeyboardInterrupt&) {
            return mp::detail::interrupt_pending ? 2 : 0;
        }
        return 3;
    });
    CHECK(waiter.join() == 0);
    CHECK(mutex->unlock());
}

TEST_CASE("A wait for the mutex is measured by the monotonic clock", "[synchronize]") {
    // whoever sets the system's clock changes CLOCK_REALTIME: no wait may end by that one
    const Shared<robust_mutex> mutex;
    REQUIRE(mutex->lock() == grant::acquired);
    Child waiter([&] { return mutex->lock() == grant::acquired && mutex->unlock() ? 0 : 1; });
    const auto operation = waiter.futex_operation();
    REQUIRE(operation);
    CHECK(((*operation & FUTEX_CLOCK_REALTIME) == 0 || thread_sanitizer));
    CHECK(mutex->unlock());
    CHECK(waiter.join() == 0);
}
