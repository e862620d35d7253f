// SPDX-License-Identifier: BSL-1.0
// Processes, signals, packets and quotas, at the level of system calls.
#include <sys/resource.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include <multiprocessing/os/abstract_socket.hpp>
#include <multiprocessing/os/cpu.hpp>
#include <multiprocessing/os/execute.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/os/socket.hpp>
#include <multiprocessing/os/stream_socket.hpp>
#include <multiprocessing/os/wait_set.hpp>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/process.hpp"

namespace os = multiprocessing::os;
using namespace std::chrono_literals;
using test_support::fork_child;

TEST_CASE("A pidfd tells the end, and reaping tells how it was", "[os]") {
    const auto [code, expected] =
        GENERATE(std::pair(0, 0), std::pair(7, 7), std::pair(-SIGKILL, -SIGKILL));
    const pid_t pid = fork_child([code = code] {
        if (code < 0)
            ::raise(-code);
        ::_exit(code);
    });
    const os::descriptor pidfd = os::open_child(pid);
    REQUIRE(os::wait_for_end(pidfd.get(), 10s));
    CHECK(os::has_children());
    CHECK(os::find_ended_child()->pid == pid);
    const auto [state, exitcode] = os::try_reap(pidfd.get());
    CHECK(state == os::child_state::ended);
    CHECK(exitcode == expected);
    CHECK(os::try_reap(pidfd.get()).first == os::child_state::unknown);
    CHECK(os::has_children() == !test_support::helper_processes().empty());
    CHECK_FALSE(os::find_ended_child());
    CHECK_FALSE(os::signal_process(pidfd.get(), SIGKILL));
}

TEST_CASE("A live child is neither reaped nor waited for beyond the limit", "[os]") {
    const pid_t pid = fork_child([] { ::pause(); });
    const os::descriptor pidfd = os::open_child(pid);
    CHECK(os::try_reap(pidfd.get()).first == os::child_state::alive);
    CHECK_FALSE(os::wait_for_end(pidfd.get(), 5ms));
    const auto children = os::list_children();
    CHECK(std::set<pid_t>(children.begin(), children.end()).contains(pid));
    CHECK(os::signal_process(pidfd.get(), SIGTERM));
    CHECK(os::wait_for_end(pidfd.get(), 10s));
    CHECK(os::try_reap(pidfd.get()).second == -SIGTERM);
}

TEST_CASE("The kernel kills a process, or its group, when the writer of its life pipe is gone",
          "[os]") {
    const auto whom = GENERATE(os::victim::process, os::victim::group);
    const bool stopped = GENERATE(false, true);
    auto [reader, writer] = os::life_pipe();
    auto [ready, tell] = os::life_pipe();
    const pid_t pid = fork_child([&, &reader = reader, &writer = writer, &tell = tell] {
        os::make_group(0);
        writer.reset();
        const os::descriptor guard = os::die_with_writer(reader.get(), whom);
        [[maybe_unused]] const auto n = ::write(tell.get(), "x", 1);
        for (;;)
            ::pause();
    });
    const os::descriptor pidfd = os::open_child(pid);
    REQUIRE(os::poll_readable(ready.get(), 10s));
    if (stopped)
        ::kill(pid, SIGSTOP);
    CHECK_FALSE(os::wait_for_end(pidfd.get(), 20ms));
    writer.reset();
    CHECK(os::wait_for_end(pidfd.get(), 10s));
    CHECK(os::try_reap(pidfd.get()).second == -SIGKILL);
}

TEST_CASE("Packets keep their borders and carry descriptors", "[os]") {
    auto [left, right] = os::packet_pair();
    std::array<std::byte, 64> buffer{};
    std::vector<os::descriptor> descriptors;
    CHECK_FALSE(os::receive_packet(right.get(), buffer, descriptors));
    const std::string first = "first";
    const std::string second = "and more";
    const std::array<std::span<const std::byte>, 2> parts{std::as_bytes(std::span(first)),
                                                          std::as_bytes(std::span(second))};
    const std::array<int, 2> sent{0, 1};
    CHECK(os::send_packet(left.get(), parts, sent) == os::send_result::sent);
    CHECK(os::send_packet(left.get(), std::span(parts).first(1)) == os::send_result::sent);
    CHECK(os::receive_packet(right.get(), buffer, descriptors) == first.size() + second.size());
    CHECK(descriptors.size() == 2);
    CHECK((::fcntl(descriptors.at(0).get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(os::receive_packet(right.get(), buffer, descriptors) == first.size());
    os::send_result result = os::send_result::sent;
    for (int i = 0; i < 100'000 && result == os::send_result::sent; ++i)
        result = os::send_packet(left.get(), parts);
    CHECK(result == os::send_result::would_block);
    right.reset();
    CHECK(os::send_packet(left.get(), parts) == os::send_result::closed);
}

TEST_CASE("No new descriptor takes the place of a standard stream that is closed", "[os]") {
    const pid_t pid = fork_child([] {
        for (int stream = 0; stream < 3; ++stream)
            ::close(stream);
        int low = 0;
        const auto look = [&](int fd) { low += fd < 3 ? 1 : 0; };
        look(os::create_memory("test", 100).get());
        look(os::event().fd());
        look(os::signal_reader({SIGUSR1}).fd());
        look(os::wait_set().fd());
        const os::descriptor self = os::open_process(::getpid());
        look(self.get());
        look(self.duplicate().get());
        look(os::duplicate(self.get()).get());
        const auto [reader, writer] = os::life_pipe();
        look(reader.get());
        look(writer.get());
        const auto [first, second] = os::stream_pair();
        look(first.get());
        look(second.get());
        const auto [left, right] = os::packet_pair();
        look(left.get());
        look(right.get());
        const std::array<std::span<const std::byte>, 1> text{std::as_bytes(std::span("text"))};
        const std::array<int, 2> sent{self.get(), reader.get()};
        (void)os::send_packet(left.get(), text, sent);
        std::array<std::byte, 64> buffer{};
        std::vector<os::descriptor> received;
        (void)os::receive_packet(right.get(), buffer, received);
        for (const os::descriptor& one : received)
            look(one.get());
        const std::string name = "multiprocessing-test-" + std::to_string(::getpid());
        const auto listener = os::listen_abstract(name);
        const auto client = os::connect_abstract(name);
        const auto served = os::accept_packet_connection(listener->get());
        look(served->get());
        ::_exit(received.size() == 2 ? low : 100);
    });
    const os::descriptor pidfd = os::open_child(pid);
    CHECK(os::wait_for_end(pidfd.get(), 20s));
    CHECK(os::try_reap(pidfd.get()).second == 0);
}

TEST_CASE("A packet whose descriptors find no place is received without them", "[os]") {
    const pid_t pid = fork_child([] {
        const auto [left, right] = os::packet_pair();
        const std::array<std::span<const std::byte>, 1> text{std::as_bytes(std::span("text"))};
        const std::array<int, 1> sent{right.get()};
        (void)os::send_packet(left.get(), text, sent);
        ::close(0);  // the only number that is free
        const rlimit limit{3, 3};
        ::setrlimit(RLIMIT_NOFILE, &limit);
        std::array<std::byte, 64> buffer{};
        std::vector<os::descriptor> received;
        bool lost = false;
        const auto size = os::receive_packet(right.get(), buffer, received, &lost);
        ::_exit(size == 5u && received.empty() && lost && !os::is_open(0) ? 0 : 1);
    });
    const os::descriptor pidfd = os::open_child(pid);
    CHECK(os::wait_for_end(pidfd.get(), 20s));
    CHECK(os::try_reap(pidfd.get()).second == 0);
}

TEST_CASE("Blocked signals are read from a descriptor, and the mask comes back", "[os]") {
    const sigset_t before = os::get_signal_mask();
    {
        const os::blocked_signals blocked;
        const os::signal_reader reader({SIGUSR1, SIGUSR2});
        CHECK(reader.next() == 0);
        os::raise_signal(SIGUSR2);
        CHECK(os::poll_readable(reader.fd(), 1s));
        CHECK(reader.next() == SIGUSR2);
        CHECK(reader.next() == 0);
    }
    const sigset_t after = os::get_signal_mask();
    CHECK(::sigismember(&before, SIGUSR1) == ::sigismember(&after, SIGUSR1));
}

TEST_CASE("A wait set is readable when a member is", "[os]") {
    const os::event first;
    const os::event second;
    os::wait_set set;
    set.add(first.fd());
    set.add(second.fd());
    CHECK_FALSE(os::poll_readable(set.fd(), 0ms));
    second.set();
    CHECK(os::poll_readable(set.fd(), 1s));
    second.clear();
    CHECK_FALSE(os::poll_readable(set.fd(), 0ms));
    set.set_writable(first.fd(), true);
    CHECK(os::poll_readable(set.fd(), 1s));
}

TEST_CASE("An executed program gets the descriptors as 3, 4 ... and no other", "[os]") {
    const auto [reader, writer] = os::life_pipe();
    const os::descriptor unrelated(::open("/dev/null", O_RDONLY));
    const std::string program = "/tmp/multiprocessing-test-execute-" + std::to_string(::getpid());
    {
        std::ofstream script(program);
        script << "#!/bin/bash\necho \"$TEST_VARIABLE\" >&3\nread -r line && echo input >&3\n"
                  "for fd in /proc/$$/fd/*; do n=${fd##*/}; [ \"$n\" -gt 3 ] && [ \"$n\" -lt 255 ] "
                  "&& [ -e \"$fd\" ] && echo \"open $n\" >&3; done\nexit 5\n";
    }
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    const std::array<int, 1> descriptors{writer.get()};
    const pid_t pid =
        os::execute(program, "TEST_VARIABLE=value", descriptors, os::get_signal_mask());
    const os::descriptor pidfd = os::open_child(pid);
    CHECK(os::wait_for_end(pidfd.get(), 20s));
    CHECK(os::try_reap(pidfd.get()).second == 5);
    char text[200] = {};
    [[maybe_unused]] const auto n = ::read(reader.get(), text, sizeof text - 1);
    CHECK(std::string(text) == "value\n");
    std::filesystem::remove(program);
    CHECK_THROWS_AS(os::execute(program, "A=b", {}, os::get_signal_mask()), std::system_error);
}

TEST_CASE("CPU quotas are found on the whole way up, in both versions of cgroups", "[os]") {
    namespace fs = std::filesystem;
    const fs::path root = "/tmp/multiprocessing-test-cgroup-" + std::to_string(::getpid());
    const auto write = [&](const fs::path& file, const std::string& text) {
        fs::create_directories((root / file).parent_path());
        std::ofstream(root / file) << text;
    };
    const auto quota = [&] { return os::cgroup_quota((root / "proc").string(), root.string()); };
    const std::string v2 = "30 23 0:26 / /cg rw,nosuid - cgroup2 cgroup2 rw\n";
    const std::string v1 = "31 23 0:27 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
    write("proc/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + v2);
    write("proc/cgroup", "0::/a/b\n");
    CHECK_FALSE(quota());
    write("cg/a/b/cpu.max", "max 100000\n");
    CHECK_FALSE(quota());
    write("cg/a/cpu.max", "150000 100000\n");
    CHECK(quota() == 1.5);
    write("cg/a/b/cpu.max", "50000 100000\n");
    CHECK(quota() == 0.5);

    write("proc/mountinfo", v1);
    write("proc/cgroup", "4:memory:/m\n3:cpu,cpuacct:/x/y\n");
    CHECK_FALSE(quota());
    write("cpu/x/y/cpu.cfs_quota_us", "-1\n");
    write("cpu/x/y/cpu.cfs_period_us", "100000\n");
    CHECK_FALSE(quota());
    write("cpu/cpu.cfs_quota_us", "300000\n");
    write("cpu/cpu.cfs_period_us", "100000\n");
    CHECK(quota() == 3.0);

    // a container sees its own part of the tree, mounted at the root
    write("proc/mountinfo", "31 23 0:27 /docker/id /cpu rw - cgroup cgroup rw,cpu\n");
    write("proc/cgroup", "3:cpu:/docker/id\n");
    CHECK(quota() == 3.0);
    fs::remove_all(root);
    CHECK(os::affinity_cpus() >= 1);
    CHECK(os::online_cpus() >= os::affinity_cpus());
}
