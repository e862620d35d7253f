// SPDX-License-Identifier: BSL-1.0
// The work of the manager benchmarks: calls by one client, by several at once, and each alone.
#pragma once

#include <multiprocessing.hpp>

#include "../support/timing.hpp"

namespace benchmark {

constexpr int keys = 1024;

/// Reports the curve `set_clients` for 1, 2, 4 and 8 client processes.
/// @param set `set(clients, calls)` returns nanoseconds a call, of all these calls together
template <class Set>
void measure_set_clients(const Options& options, Set set) {
    if (!options.wants("set_clients"))
        return;
    for (const int clients : {1, 2, 4, 8})
        report_at("set_clients", clients, set(clients, options.size(16'000, 400)), "ns");
}

/// Reports the percentiles `latency` of a call. @param call `call(i)` sets the i-th item
template <class Call>
void measure_latency(const Options& options, Call call) {
    if (options.wants("latency"))
        report_percentiles("latency", latencies(options.size(15'000, 100), call), "us");
}

}  // namespace benchmark
