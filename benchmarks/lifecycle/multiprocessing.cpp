// SPDX-License-Identifier: BSL-1.0
// How long a process takes from start to end, a pool to its first result, and to replace a worker
// that was killed, in parents with up to 1 GiB of memory.
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <multiprocessing/pool.hpp>
#include <multiprocessing/process.hpp>
#include <string>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

void nothing() {}

int no_op(int x) {
    return x;
}

pid_t process_id() {
    return ::getpid();
}

double seconds_of_a_process(mp::StartMethod method) {
    mp::Process process(nothing, {}, {.start_method = method});
    const double time = seconds([&] {
        process.start();
        process.join();
    });
    require(process.exitcode() == 0, "the process ended well");
    return time;
}

double seconds_to_first_result(mp::StartMethod method, int workers) {
    const auto start = Clock::now();
    mp::Pool<> pool({.processes = workers, .start_method = method});
    require(pool.apply(no_op, {7}) == 7, "first result");
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// From the kill of the only worker to the first result of the next one.
double seconds_to_replace(mp::Pool<>& pool) {
    const pid_t victim = pool.apply(process_id);
    const auto start = Clock::now();
    require(::kill(victim, SIGKILL) == 0, "the worker was there");
    const pid_t next = pool.apply(process_id, {}, {.retries = 1});
    const double time = std::chrono::duration<double>(Clock::now() - start).count();
    require(next != victim, "another worker answered");
    return time;
}

double replace(mp::StartMethod method, int samples) {
    mp::Pool<> pool({.processes = 1, .start_method = method});
    seconds_to_replace(pool);
    return median_of(samples, [&] { return seconds_to_replace(pool); });
}

/// A point of the curve, in milliseconds; where tables need it, also as a figure of its own.
void report_point(const std::string& name, double mib, double time, const std::string& alone) {
    if (!alone.empty())
        report(alone, time * 1e3, "ms");
    report_at(name, mib, time * 1e3, "ms");
}

/// A figure for a small parent, and one for a parent with 1 GiB.
std::string with_memory(const std::string& name, double mib) {
    if (mib == 0)
        return name + "_small";
    return mib == 1024 ? name + "_1GiB" : std::string();
}

}  // namespace

int main(int argc, char** argv) {
    mp::freeze_support();
    const Options options(argc, argv);
    const int samples = options.size(5, 1);
    const auto methods = {mp::StartMethod::fork, mp::StartMethod::spawn,
                          mp::StartMethod::forkserver};

    for (const mp::StartMethod method : methods) {
        const std::string name = "process_" + mp::to_string(method);
        if (options.wants(name)) {
            seconds_of_a_process(method);  // the fork server starts at its first use
            report(
                name,
                1e6 * median_of(options.size(51, 1), [=] { return seconds_of_a_process(method); }),
                "us");
        }
    }
    for_each_size(options, [&](double mib) {
        for (const mp::StartMethod method : methods) {
            const std::string name = "start_" + mp::to_string(method);
            if (options.wants(name)) {
                report_point(
                    name, mib,
                    median_of(samples,
                              [&] { return seconds_to_first_result(method, options.workers()); }),
                    mib == 0 ? name : "");
            }
        }
        if (!options.wants("replace"))
            return;
        const std::string plain_fork = with_memory("plain_fork", mib);
        if (!plain_fork.empty())
            report(plain_fork, 1e3 * median_of(samples, seconds_to_fork), "ms");
        for (const mp::StartMethod method : methods) {
            const std::string name = "replace_" + mp::to_string(method);
            // the short ones vary more, for their length
            const int times = method == mp::StartMethod::fork ? samples : 5 * samples;
            report_point(name, mib, replace(method, times), with_memory(name, mib));
        }
    });
}
