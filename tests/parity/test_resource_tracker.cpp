// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's TestResourceTracker: signals do not end the tracker, and a family has
// one.
#include <csignal>

#include <string>

#include <multiprocessing.hpp>

#include "memory/tracker_tools.hpp"
#include "process/process_tools.hpp"

using namespace process_test;
using memory_test::tracker;

namespace {

using mp::shared_memory::SharedMemory;

/// Has this family a tracker. @returns its process
pid_t running_tracker() {
    SharedMemory({.create = true, .size = 1}).unlink();
    const pid_t pid = tracker();
    REQUIRE(pid > 0);
    return pid;
}

void exit_with(mp::Value<int> number) {
    std::exit(number.value());
}

void check_survives(int signal) {
    const Watch watch;
    const pid_t pid = running_tracker();
    const auto on_its_way = mp::dumps(mp::Value<int>(7));  // nobody but the tracker holds it
    const SharedMemory block({.create = true, .size = 1});
    ::kill(pid, signal);
    // it would end before it reads what comes now
    mp::Process child(exit_with, {mp::loads<mp::Value<int>>(on_its_way)},
                      {.start_method = mp::StartMethod::spawn});
    child.start();
    child.join();
    CHECK(child.exitcode() == 7);
    CHECK(running_tracker() == pid);
    CHECK(test_support::is_running(pid));
    block.unlink();
}

void tell_tracker(mp::Queue<pid_t> queue) {
    const SharedMemory block({.create = true, .size = 1});
    queue.put(tracker());
    block.unlink();
}
void tell_trackers_of_two(mp::Queue<pid_t> queue, mp::StartMethod method) {
    tell_tracker(queue);
    mp::Process grandchild(tell_tracker, {queue}, {.start_method = method});
    grandchild.start();
    grandchild.join();
}

}  // namespace

TEST_CASE("TestResourceTracker.test_resource_tracker_sigint", "[parity][memory]") {
    check_survives(SIGINT);
}

TEST_CASE("TestResourceTracker.test_resource_tracker_sigterm", "[parity][memory]") {
    check_survives(SIGTERM);
}

TEST_CASE("TestResourceTracker.test_resource_tracker_reused: by children and their children",
          "[parity][memory]") {
    const Watch watch;
    const auto method = every_method();
    const pid_t pid = running_tracker();
    const mp::Queue<pid_t> queue;
    mp::Process child(tell_trackers_of_two, {queue, method}, {.start_method = method});
    child.start();
    child.join();
    CHECK(child.exitcode() == 0);
    CHECK(queue.get(patience) == pid);
    CHECK(queue.get(patience) == pid);
    CHECK(tracker() == pid);
}

TEST_CASE("TestResourceTracker.test_resource_tracker_blocked_signals", "[parity][memory]") {
    const Watch watch;
    const pid_t old = running_tracker();
    ::kill(old, SIGKILL);
    REQUIRE(eventually([&] { return !test_support::is_running(old); }));
    sigset_t blocked;
    sigset_t before;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const pid_t started = running_tracker();
    sigset_t after;
    ::pthread_sigmask(SIG_SETMASK, &before, &after);
    CHECK(started != old);
    for (int number = 1; number < SIGRTMIN; ++number) {
        INFO("signal " << number);
        CHECK(::sigismember(&after, number) ==
              (number == SIGUSR1 ? 1 : ::sigismember(&before, number)));
    }
    CHECK_FALSE(has_children());  // it is nobody's child: nobody has to reap it
}
