// SPDX-License-Identifier: BSL-1.0
// The work of the lock benchmarks: one counter that many processes increment, turns that two
// processes hand over, rounds of a barrier.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "../support/timing.hpp"

namespace benchmark {

/// Nanoseconds that `work()` takes each time.
template <class Work>
double each(int times, Work work) {
    return seconds([&] {
               for (int i = 0; i < times; ++i)
                   work();
           }) *
           1e9 / times;
}

/// Reports the curve `name`: nanoseconds an increment of one counter by 1, 2, 4 and 8 processes.
/// @param make returns a counter with `increment()` and `read()`; its copies count together
template <class Make>
void measure_contention(const Options& options, const std::string& name, Make make) {
    if (!options.wants(name))
        return;
    const int total = options.size(400'000, 2000);
    for (const int number : {1, 2, 4, 8}) {
        const auto counter = make();
        const double time = together(number, [=](int, auto ready) {
            ready();
            for (int i = 0; i < total / number; ++i)
                counter.increment();
        });
        require(counter.read() == total, name);
        report_at(name, number, time * 1e9 / total, "ns");
    }
}

/// Waits `rounds` times until it is `me`'s turn and hands over to the other of two, 0 and 1.
template <class Condition>
void take_turns(Condition& condition, int& turn, int me, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        const std::scoped_lock guard(condition);
        condition.wait_for([&] { return turn == me; });
        turn = 1 - me;
        condition.notify();
    }
}

/// Reports `condition_round_trip`: a turn goes to another process and comes back.
/// @param turn in shared memory, 0
template <class Condition>
void measure_condition(const Options& options, Condition& condition, int& turn) {
    if (!options.wants("condition_round_trip"))
        return;
    const int rounds = options.size(10'000, 50);
    const double time = beside([&] { take_turns(condition, turn, 1, rounds + 1); },
                               [&] {
                                   // One round first: the other process runs by then.
                                   take_turns(condition, turn, 0, 1);
                                   return seconds([&] { take_turns(condition, turn, 0, rounds); });
                               });
    report("condition_round_trip", time * 1e6 / rounds, "us");
}

/// Reports the curve `barrier`: microseconds a round of 2 and of 4 processes.
/// @param make `make(parties)` returns a pointer or an optional: what it names has `wait()`
template <class Make>
void measure_barrier(const Options& options, Make make) {
    if (!options.wants("barrier"))
        return;
    const int rounds = options.size(10'000, 50);
    for (const int number : {2, 4}) {
        const auto barrier = make(number);
        const double time = together(number, [=](int, auto ready) {
            ready();
            for (int i = 0; i < rounds; ++i)
                barrier->wait();
        });
        report_at("barrier", number, time * 1e6 / rounds, "us");
    }
}

}  // namespace benchmark
