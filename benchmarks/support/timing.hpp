// SPDX-License-Identifier: BSL-1.0
// What several questions time alike: two processes at work, many that start at one moment, and how
// long each single call takes.
#pragma once

#include <multiprocessing.hpp>

#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "measure.hpp"

namespace benchmark {

/// Runs `child()` in a process of its own while `parent()` runs in this one.
/// @returns what `parent()` returns, once both have ended
template <class Child, class Parent>
auto beside(Child child, Parent parent) {
    // Daemonic: a parent that has seen a wrong answer ends without waiting for its child.
    multiprocessing::Process process(std::move(child), {}, {.daemon = true});
    process.start();
    auto result = parent();
    process.join();
    require(process.exitcode() == 0, "the other process failed");
    return result;
}

/// The seconds in which `number` processes each call `work(i, ready)`; `ready()`, which each calls
/// first, lets all of them go on at one moment. The last one to end stops the clock.
template <class Work>
double together(int number, Work work) {
    namespace mp = multiprocessing;
    const mp::Barrier start(number + 1);
    std::vector<mp::Process> processes;
    for (int i = 0; i < number; ++i)
        processes.emplace_back([=] { work(i, [&] { start.wait(); }); });
    for (auto& process : processes)
        process.start();
    while (start.n_waiting() < static_cast<std::uint32_t>(number))
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    // The clock before the start: who starts them may be the last to get a CPU again.
    const double time = seconds([&] {
        start.wait();
        for (auto& process : processes)
            process.join();
    });
    for (auto& process : processes)
        require(process.exitcode() == 0, "a process failed");
    return time;
}

/// The microseconds that each of `count` calls of `call(i)` takes. The first tenth is not counted:
/// it warms up.
template <class Call>
std::vector<double> latencies(int count, Call&& call) {
    std::vector<double> result;
    result.reserve(static_cast<std::size_t>(count));
    const int warm_up = count / 10;
    for (int i = 0; i < warm_up + count; ++i) {
        const double time = seconds([&] { call(i); });
        if (i >= warm_up)
            result.push_back(time * 1e6);
    }
    return result;
}

}  // namespace benchmark
