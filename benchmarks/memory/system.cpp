// SPDX-License-Identifier: BSL-1.0
// The least memory that a worker needs: a forked child and a thread that only wait.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <barrier>
#include <thread>
#include <vector>

#include "workload.hpp"

using namespace benchmark;

namespace {

double family_with_children(int count) {
    int ready[2];
    require(::pipe(ready) == 0, "pipe");
    std::vector<pid_t> children;
    for (int i = 0; i < count; ++i) {
        children.push_back(::fork());
        if (children.back() == 0) {
            if (::write(ready[1], "!", 1) != 1)
                ::_exit(1);
            for (;;)
                ::pause();
        }
        require(children.back() > 0, "fork");
    }
    char byte = 0;
    for (int i = 0; i < count; ++i)
        require(::read(ready[0], &byte, 1) == 1, "a child is ready");
    const double memory = family_memory();
    ::close(ready[0]);
    ::close(ready[1]);
    for (const pid_t child : children) {
        require(::kill(child, SIGKILL) == 0 && ::waitpid(child, nullptr, 0) == child, "a child");
    }
    return memory;
}

double family_with_threads(int count) {
    std::barrier<> all_started(count + 1);
    std::barrier<> measured(count + 1);
    std::vector<std::jthread> threads;
    for (int i = 0; i < count; ++i) {
        threads.emplace_back([&] {
            all_started.arrive_and_wait();
            measured.arrive_and_wait();
        });
    }
    all_started.arrive_and_wait();
    const double memory = family_memory();
    measured.arrive_and_wait();
    for (auto& thread : threads)
        thread.join();
    return memory;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (options.wants("worker_fork"))
        report("worker_fork", memory_of_a_worker(options, family_with_children), "MiB");
    if (options.wants("worker_thread"))
        report("worker_thread", memory_of_a_worker(options, family_with_threads), "MiB");
}
