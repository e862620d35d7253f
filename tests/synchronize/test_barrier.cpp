// SPDX-License-Identifier: BSL-1.0
// Barrier: rounds, the action, and how it breaks.
#include <multiprocessing/synchronize/barrier.hpp>

#include <cstdint>
#include <cstring>
#include <vector>

#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/synchronize/semaphore.hpp>

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

namespace {
struct AddTo {
    mp::Semaphore sum{0};
    int times = 0;
    void operator()() const {
        for (int i = 0; i < times; ++i)
            sum.release();
    }
};
}  // namespace

TEST_CASE("A function object travels with a Barrier, what cannot be pickled does not",
          "[synchronize]") {
    const AddTo add{mp::Semaphore(0), 3};
    const auto arrived = mp::loads<mp::Barrier>(mp::dumps(mp::Barrier(1, add)));
    arrived.wait();
    CHECK(add.sum.get_value() == 3);
    int here = 0;
    const mp::Barrier captures(1, [&here] { ++here; });
    captures.wait();
    CHECK(here == 1);
    CHECK_THROWS_AS((void)mp::dumps(captures), mp::PicklingError);
}

TEST_CASE("Forged bytes of a Barrier have no code called but that of an action", "[synchronize]") {
    const auto bytes = mp::dumps(mp::Barrier(1, count_action));
    // the place of the function that would be called, and of what it calls
    const auto function = bytes.size() - sizeof(mp::detail::code_ref);
    const auto loader = function - sizeof(std::uint64_t) - sizeof(mp::detail::code_ref);
    auto forged = bytes;
    std::memcpy(&forged[loader], &bytes[function], sizeof(mp::detail::code_ref));
    actions = 0;
    CHECK_THROWS_AS(mp::loads<mp::Barrier>(forged), mp::UnpicklingError);
    CHECK(actions == 0);
    for (std::size_t i = 24; i < bytes.size(); ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            forged = bytes;
            forged[i] ^= std::byte(1 << bit);
            try {
                (void)mp::loads<mp::Barrier>(forged);
            } catch (const mp::UnpicklingError&) {
            } catch (const mp::ProcessError&) {
            }
        }
    }
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

TEST_CASE("A Barrier handle that names no barrier throws", "[synchronize]") {
    const mp::Barrier none;
    CHECK_THROWS_AS(none.wait(), mp::ValueError);
    CHECK_THROWS_AS(none.wait(1ms), mp::ValueError);
    CHECK_THROWS_AS(none.abort(), mp::ValueError);
    CHECK_THROWS_AS(none.reset(), mp::ValueError);
    CHECK_THROWS_AS(none.parties(), mp::ValueError);
    CHECK_THROWS_AS(none.n_waiting(), mp::ValueError);
    CHECK_THROWS_AS(none.broken(), mp::ValueError);
    CHECK_THROWS_AS(mp::dumps(none), mp::PicklingError);
}

TEST_CASE("A Barrier has at least one party", "[synchronize]") {
    CHECK_THROWS_AS(mp::Barrier(0), mp::ValueError);
}
