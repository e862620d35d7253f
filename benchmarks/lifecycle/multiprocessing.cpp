// SPDX-License-Identifier: BSL-1.0
// How long a pool takes to its first result, and to replace a worker that was killed, in a small
// parent and in one with 1 GiB of memory.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <multiprocessing/pool.hpp>
#include <string>

#include "../support/measure.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

int no_op(int x) {
    return x;
}

pid_t process_id() {
    return ::getpid();
}

double milliseconds_to_first_result(mp::StartMethod method) {
    const auto start = Clock::now();
    mp::Pool<> pool({.processes = 2, .start_method = method});
    require(pool.apply(no_op, {7}) == 7, "first result");
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// From the kill of the only worker to the first result of the next one.
double milliseconds_to_replace(mp::Pool<>& pool) {
    const pid_t victim = pool.apply(process_id);
    const auto start = Clock::now();
    require(::kill(victim, SIGKILL) == 0, "the worker was there");
    const pid_t next = pool.apply(process_id, {}, {.retries = 1});
    const double time = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    require(next != victim, "another worker answered");
    return time;
}

/// What the system needs at the least: fork and end a child of this process.
double milliseconds_to_fork() {
    return 1e3 * seconds([] {
               const pid_t child = ::fork();
               if (child == 0)
                   ::_exit(0);
               require(child > 0 && ::waitpid(child, nullptr, 0) == child, "fork");
           });
}

void replace(mp::StartMethod method, int samples, const std::string& memory) {
    mp::Pool<> pool({.processes = 1, .start_method = method});
    milliseconds_to_replace(pool);
    report("replace_" + mp::to_string(method) + memory,
           median_of(samples, [&] { return milliseconds_to_replace(pool); }), "ms");
}

/// Memory that is resident, in pages of the usual size.
class Ballast {
  public:
    explicit Ballast(std::size_t bytes) : bytes_(new char[bytes]) {
        std::memset(bytes_.get(), 1, bytes);
    }

  private:
    std::unique_ptr<char[]> bytes_;
};

}  // namespace

int main(int argc, char** argv) {
    mp::freeze_support();
    const Options options(argc, argv);
    const int samples = options.size(5, 1);
    const auto methods = {mp::StartMethod::fork, mp::StartMethod::spawn,
                          mp::StartMethod::forkserver};

    for (mp::StartMethod method : methods) {
        const std::string name = "start_" + mp::to_string(method);
        if (options.wants(name)) {
            report(name, median_of(samples, [=] { return milliseconds_to_first_result(method); }),
                   "ms");
        }
    }
    if (!options.wants("replace"))
        return 0;
    report("plain_fork_small", median_of(samples, milliseconds_to_fork), "ms");
    for (mp::StartMethod method : methods)
        replace(method, samples, "_small");

    const Ballast ballast(options.size(std::size_t{1} << 30, std::size_t{1} << 20));
    report("plain_fork_1GiB", median_of(samples, milliseconds_to_fork), "ms");
    for (mp::StartMethod method : methods)
        replace(method, samples, "_1GiB");
}
