// SPDX-License-Identifier: BSL-1.0
// The least that the system needs to start a process, a program or a thread and wait for its end.
#include <spawn.h>

#include <thread>

#include "workload.hpp"

using namespace benchmark;

namespace {

/// Starts a program anew, as `spawn` must; the smallest one that every system has.
double seconds_to_spawn() {
    return seconds([] {
        char program[] = "/bin/true";
        char* const arguments[] = {program, nullptr};
        pid_t child = 0;
        int status = -1;
        require(::posix_spawn(&child, program, nullptr, nullptr, arguments, environ) == 0 &&
                    ::waitpid(child, &status, 0) == child && status == 0,
                "posix_spawn");
    });
}

double seconds_to_thread() {
    bool ran = false;
    const double time = seconds([&] { std::thread([&] { ran = true; }).join(); });
    require(ran, "the thread ran");
    return time;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    const int samples = options.size(51, 1);
    if (options.wants("process_fork"))
        report("process_fork", 1e6 * median_of(samples, seconds_to_fork), "us");
    if (options.wants("process_spawn"))
        report("process_spawn", 1e6 * median_of(samples, seconds_to_spawn), "us");
    if (options.wants("process_thread"))
        report("process_thread", 1e6 * median_of(samples, seconds_to_thread), "us");

    for_each_size(options, [&](double mib) {
        const int times = options.size(5, 1);
        if (options.wants("start_fork"))
            report_at("start_fork", mib, 1e3 * median_of(times, seconds_to_fork), "ms");
        if (options.wants("start_spawn"))
            report_at("start_spawn", mib, 1e3 * median_of(times, seconds_to_spawn), "ms");
    });
}
