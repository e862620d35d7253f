// SPDX-License-Identifier: BSL-1.0
// The test support itself: that it notices what it is there to notice.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <sstream>
#include <string>
#include <thread>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/deadline.hpp"
#include "support/leaks.hpp"
#include "support/process.hpp"

using namespace test_support;
using namespace std::chrono_literals;

namespace {

/// What the listener would report had `body()` been a test case, but for names in /dev/shm, which
/// may be other programs'.
template <class Body>
std::string left_by(Body body) {
    const holdings before = holdings::now();
    body();
    std::istringstream lines(wait_for_tidiness(before, 50ms));
    std::string ours;
    for (std::string line; std::getline(lines, line);)
        if (!line.starts_with("  /dev/shm/"))
            ours += line + "\n";
    return ours;
}

}  // namespace

TEST_CASE("A child that was not waited for is noticed, zombies too", "[support]") {
    pid_t pid = 0;
    const std::string left = left_by([&] {
        pid = ::fork();
        if (pid == 0)
            ::_exit(0);
    });
    CHECK(left == "  child " + std::to_string(pid) + " in state Z\n");
    ::waitpid(pid, nullptr, 0);
}

TEST_CASE("A descriptor left open, and one that was another's, is noticed", "[support]") {
    int fd = -1;
    const std::string open = left_by([&] { fd = ::open("/dev/zero", O_RDONLY); });
    const std::string is_zero = std::to_string(fd) + ": /dev/zero\n";
    CHECK(open == "  descriptor " + is_zero);
    CHECK(left_by([&] { ::close(fd); }) == "  closed a descriptor of others, " + is_zero);
}

TEST_CASE("A thread that still runs is noticed", "[support]") {
    std::thread thread;
    CHECK(left_by([&] { thread = std::thread([] { std::this_thread::sleep_for(500ms); }); }) ==
          "  1 thread(s)\n");
    thread.join();
}

TEST_CASE("A name in /dev/shm is noticed", "[support]") {
    const std::string name = "/multiprocessing_test_" + std::to_string(::getpid());
    const holdings before = holdings::now();
    ::close(::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
    const std::string left = wait_for_tidiness(before, 50ms);
    ::shm_unlink(name.c_str());
    CHECK(left.find("/dev/shm" + name) != std::string::npos);
}

TEST_CASE("A forked child ends with its body's status, and with its parent", "[support]") {
    CHECK(end_of(fork_child([] {})) == 0);
    CHECK(end_of(fork_child([] { return 7; })) == 7);
    CHECK(end_of(fork_child([] { ::raise(SIGKILL); })) == -SIGKILL);
    CHECK(end_of(fork_child([] { throw 1; })) == body_threw);
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t parent = fork_child([&] {
        const pid_t child = fork_child([&] {
            ::alarm(60);
            [[maybe_unused]] const auto written = ::write(ends[1], "x", 1);
            for (;;)
                ::pause();
        });
        char byte = 0;
        [[maybe_unused]] const auto size = ::read(ends[0], &byte, 1);
        [[maybe_unused]] const auto written = ::write(ends[1], &child, sizeof child);
        ::raise(SIGKILL);
    });
    CHECK(end_of(parent) == -SIGKILL);
    ::close(ends[1]);
    pid_t child = 0;
    REQUIRE(::read(ends[0], &child, sizeof child) == sizeof child);
    CHECK(eventually([&] { return gone(child); }));
    ::close(ends[0]);
}

TEST_CASE("A deadline that passes ends the program and says whose it was", "[support]") {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(ends[1], 2);
        const deadline limit(20ms, "the answer");
        for (;;)
            ::pause();
    }
    ::close(ends[1]);
    std::string text(200, '\0');
    const auto size = ::read(ends[0], text.data(), text.size());
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
    REQUIRE(size > 0);
    CHECK(text.find("deadline of 20 ms passed in: the answer") != std::string::npos);
}

TEST_CASE("A deadline that is met does nothing", "[support]") {
    { const deadline limit(200ms); }
    std::this_thread::sleep_for(300ms);
    SUCCEED();
}

TEST_CASE("The time of a deadline stands still while an inner one lives", "[support]") {
    const deadline outer(400ms);
    {
        const deadline inner(10s);
        std::this_thread::sleep_for(500ms);
    }
    SUCCEED();
}

TEST_CASE("A deadline goes on after an inner one was met", "[support]") {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::close(2);
        const deadline outer(100ms);
        { const deadline inner(10s); }
        std::this_thread::sleep_for(10s);
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status));
}

TEST_CASE("run() gives status and output of a command, and kills it after its limit", "[support]") {
    const outcome good =
        run({"sh", "-c", "echo out; echo err >&2; echo $WORD; exit 3"}, 10s, {"WORD=environment"});
    CHECK(good.status == 3);
    CHECK(good.out == "out\nenvironment\n");
    CHECK(good.err == "err\n");
    CHECK_FALSE(good.timed_out);
    const outcome slow = run({"sleep", "60"}, 50ms);
    CHECK(slow.timed_out);
    CHECK(slow.status == -SIGKILL);
    CHECK_THROWS_AS(run({"/there/is/no/such/program"}), std::system_error);
}
