// SPDX-License-Identifier: BSL-1.0
// Barrier: rounds, the action, and how it breaks.
#include <multiprocessing/synchronize/barrier.hpp>

#include <vector>

#include <multiprocessing/serialization/pickle.hpp>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;

namespace {
int actions = 0;
void count_action() {
    ++actions;
}
}  // namespace

TEST_CASE("Every party of a Barrier gets an index of its own", "[synchronize]") {
    const mp::Barrier barrier(3);
    std::vector<Child> children;
    for (int i = 0; i < 2; ++i)
        children.emplace_back([&] { return static_cast<int>(barrier.wait(10s)); });
    CHECK(eventually([&] { return barrier.n_waiting() == 2; }));
    CHECK(barrier.wait(10s) == 2);
    CHECK(children[0].join() + children[1].join() == 1);
    CHECK(barrier.n_waiting() == 0);
}

TEST_CASE("The action is called once a round, and travels with the handle", "[synchronize]") {
    const mp::Barrier barrier(1, count_action);
    const auto arrived = mp::loads<mp::Barrier>(mp::dumps(barrier));
    CHECK(arrived == barrier);
    actions = 0;
    barrier.wait();
    CHECK(actions == 1);
    arrived.wait();
    CHECK(actions == 2);
}

TEST_CASE("A timeout breaks a Barrier, until it is reset", "[synchronize]") {
    const mp::Barrier barrier(2, nullptr, 10ms);
    CHECK(barrier.parties() == 2);
    CHECK_THROWS_AS(barrier.wait(), mp::BrokenBarrierError);
    CHECK(barrier.broken());
    barrier.reset();
    CHECK_FALSE(barrier.broken());
    barrier.abort();
    CHECK_THROWS_AS(barrier.wait(10s), mp::BrokenBarrierError);
}

TEST_CASE("A Barrier has at least one party", "[synchronize]") {
    CHECK_THROWS_AS(mp::Barrier(0), mp::ValueError);
}
