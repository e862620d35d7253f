// SPDX-License-Identifier: BSL-1.0
// Timeouts and deadlines.

#include <chrono>
#include <limits>
#include <multiprocessing/core/timeout.hpp>
#include <type_traits>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using multiprocessing::Timeout;
using multiprocessing::detail::Deadline;
using multiprocessing::detail::wait_slice;

TEST_CASE("Any duration is a timeout, no number is", "[timeout]") {
    STATIC_REQUIRE(std::is_convertible_v<std::chrono::minutes, Timeout>);
    STATIC_REQUIRE(std::is_convertible_v<std::chrono::duration<float>, Timeout>);
    STATIC_REQUIRE(!std::is_convertible_v<int, Timeout>);
    STATIC_REQUIRE(!std::is_convertible_v<double, Timeout>);
    REQUIRE(Timeout(2.5s).count() == 2500ms);
    REQUIRE(Timeout(3min).count() == 180s);
}

TEST_CASE("A negative timeout and no number at all count as zero", "[timeout]") {
    REQUIRE(Timeout(-1s).count() == 0s);
    REQUIRE(
        Timeout(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).count() ==
        0s);
}

TEST_CASE("A timeout beyond nanoseconds does not overflow", "[timeout]") {
    REQUIRE(Timeout(std::chrono::hours::max()).count() > 24h * 365 * 100);
    REQUIRE(
        Timeout(std::chrono::duration<double>(std::numeric_limits<double>::infinity())).count() >
        24h * 365 * 100);
    REQUIRE_FALSE(Deadline(std::chrono::hours::max()).expired());
}

TEST_CASE("A deadline without a timeout never comes", "[timeout]") {
    const Deadline never;
    REQUIRE(never.never());
    REQUIRE_FALSE(never.expired());
    REQUIRE(never.remaining() == wait_slice);
}

TEST_CASE("A deadline of zero has come, and what is left is never negative", "[timeout]") {
    const Deadline now(0s);
    REQUIRE_FALSE(now.never());
    REQUIRE(now.expired());
    REQUIRE(now.remaining() == 0ns);
    REQUIRE(Deadline(-5s).remaining() == 0ns);
}

TEST_CASE("What is left is cut to a slice", "[timeout]") {
    const Deadline later(1h);
    REQUIRE_FALSE(later.expired());
    REQUIRE(later.remaining() == wait_slice);
    REQUIRE(later.remaining(2h) <= 1h);
    REQUIRE(later.remaining(2h) > 59min);
}
