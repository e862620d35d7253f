// SPDX-License-Identifier: BSL-1.0
// Semaphore and BoundedSemaphore: how many permits there are, and who gets them.
#include <multiprocessing/synchronize/semaphore.hpp>

#include <multiprocessing/serialization/pickle.hpp>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;

TEST_CASE("A Semaphore gives as many permits as it has, to any process", "[synchronize]") {
    const mp::Semaphore semaphore(2);
    CHECK(semaphore.get_value() == 2);
    CHECK(semaphore.acquire());
    Child other([&] { return semaphore.acquire(false) ? 0 : 1; });
    CHECK(other.join() == 0);
    CHECK_FALSE(semaphore.acquire(false));
    CHECK_FALSE(semaphore.acquire(10ms));
    semaphore.release();
    semaphore.release();
    semaphore.release();
    CHECK(semaphore.get_value() == 3);
}

TEST_CASE("A BoundedSemaphore refuses more permits than at first", "[synchronize]") {
    const mp::BoundedSemaphore semaphore(1);
    CHECK_THROWS_AS(semaphore.release(), mp::ValueError);
    semaphore.acquire();
    semaphore.release();
    CHECK(semaphore.get_value() == 1);
}

TEST_CASE("A number of permits that cannot be is refused", "[synchronize]") {
    CHECK_THROWS_AS(mp::Semaphore(-1), mp::ValueError);
    CHECK_THROWS_AS(mp::BoundedSemaphore(2'147'483'648), mp::ValueError);
}

TEST_CASE("A pickled handle names the same semaphore", "[synchronize]") {
    const mp::BoundedSemaphore semaphore(2);
    const auto arrived = mp::loads<mp::BoundedSemaphore>(mp::dumps(semaphore));
    CHECK(arrived == semaphore);
    arrived.acquire();
    CHECK(semaphore.get_value() == 1);
}
