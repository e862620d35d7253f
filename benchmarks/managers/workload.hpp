// SPDX-License-Identifier: BSL-1.0
// How several client processes are measured together: they start at one moment, the last one ends.
#pragma once

#include <multiprocessing.hpp>

#include <vector>

#include "../support/measure.hpp"

namespace benchmark {

/// The seconds in which `clients` processes each call `work(number)`, which first calls `ready()`.
template <class Work>
double together(int clients, Work work) {
    namespace mp = multiprocessing;
    const mp::Barrier start(clients + 1);
    std::vector<mp::Process> processes;
    for (int i = 0; i < clients; ++i)
        processes.emplace_back([=] { work(i, [&] { start.wait(); }); });
    for (auto& process : processes)
        process.start();
    start.wait();
    const double time = seconds([&] {
        for (auto& process : processes)
            process.join();
    });
    for (auto& process : processes)
        require(process.exitcode() == 0, "a client failed");
    return time;
}

}  // namespace benchmark
