// SPDX-License-Identifier: BSL-1.0
#include <catch2/catch.hpp>

#include <chrono>

#include <multiprocessing/os/hopeful_spin.hpp>

using namespace std::chrono_literals;
using multiprocessing::os::hopeful_spin;

TEST_CASE("hopeful_spin asks until the answer is yes", "[os]") {
    hopeful_spin spin;
    int asked = 0;
    CHECK(spin([&] { return ++asked == 1; }));
    CHECK(asked == 1);
    // The second question comes whatever the time, as the clock is read behind it.
    asked = 0;
    CHECK(spin([&] { return ++asked == 2; }));
    CHECK(asked == 2);
}

TEST_CASE("hopeful_spin gives up in vain, then only asks once for a while", "[os]") {
    hopeful_spin spin;
    int asked = 0;
    const auto never = [&] {
        ++asked;
        return false;
    };
    for (int failure = 0; failure < 3; ++failure) {
        asked = 0;
        CHECK_FALSE(spin(never));
        CHECK(asked >= 2);
    }
    for (int pause = 0; pause < 50; ++pause) {
        asked = 0;
        CHECK_FALSE(spin(never));
        CHECK(asked == 1);
    }
    asked = 0;
    CHECK_FALSE(spin(never));
    CHECK(asked >= 2);
}

TEST_CASE("hopeful_spin that was right hopes on", "[os]") {
    hopeful_spin spin;
    int asked = 0;
    for (int i = 0; i < 20; ++i) {
        CHECK_FALSE(spin([] { return false; }, 0ns));
        CHECK_FALSE(spin([] { return false; }, 0ns));
        asked = 0;
        CHECK(spin([&] { return ++asked == 2; }));
    }
}
