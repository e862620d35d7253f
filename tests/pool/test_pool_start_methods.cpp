// SPDX-License-Identifier: BSL-1.0
// What the start methods of a Pool have in common and what they do not: contexts, inheritance,
// nested pools, signals, groups.
#include "pool/pool_faults.hpp"

#include <multiprocessing.hpp>

using namespace pool_test;

namespace {

int inherited = 1;

int inherited_value(int) {
    return inherited;
}

int nested_sum(int count) {
    mp::Pool<> inner(2);
    const auto list = inner.map(square, numbers(count));
    return std::accumulate(list.begin(), list.end(), 0);
}

int process_inside(int value) {
    mp::Process process([](int code) { ::_exit(code); }, {value});
    process.start();
    process.join();
    return process.exitcode().value_or(-1000);
}

int sigint_disposition(int) {
    struct sigaction action = {};
    ::sigaction(SIGINT, nullptr, &action);
    return action.sa_handler == SIG_IGN ? 1 : 0;
}

int own_group(int) {
    return ::getpgrp();
}

std::string own_name() {
    return mp::current_process().name();
}

std::string standard_input() {
    char target[256] = {};
    const auto n = ::readlink("/proc/self/fd/0", target, sizeof target - 1);
    return n < 0 ? "" : target;
}

}  // namespace

TEST_CASE("Workers are neither this process nor its children", "[pool][start]") {
    on_process_pools(2, [](auto& pool) {
        const std::set<int> pids = worker_pids(pool, 2);
        CHECK(pids.count(::getpid()) == 0);
        const std::vector<int> parents = pool.map([](int) { return parent_pid(); }, {1, 2, 3});
        for (const int parent : parents) {
            CHECK(parent != ::getpid());
            CHECK(test_support::children().contains(parent));
        }
    });
}

TEST_CASE("Under fork workers inherit memory, under spawn and forkserver they do not",
          "[pool][start]") {
    const Kind kind = GENERATE(Kind::fork, Kind::spawn, Kind::forkserver);
    INFO(name_of(kind));
    Watch watch;
    inherited = 2;
    mp::Pool<> pool({.processes = 1, .start_method = method_of(kind)});
    inherited = 3;
    CHECK(pool.apply(inherited_value, {0}) == (kind == Kind::fork ? 2 : 1));
    inherited = 1;
}

TEST_CASE("A worker may create a Pool and a Process of its own", "[pool][start]") {
    on_process_pools(2, [](auto& pool) {
        CHECK(pool.apply(nested_sum, {10}) == 285);
        CHECK(pool.map(nested_sum, {3, 4, 5}) == std::vector<int>{5, 14, 30});
        CHECK(pool.apply(process_inside, {17}) == 17);
    });
}

TEST_CASE("Pools of several start methods live side by side", "[pool][start]") {
    Watch watch;
    mp::Pool<> a({.processes = 1, .start_method = mp::StartMethod::fork});
    mp::Pool<> b({.processes = 1, .start_method = mp::StartMethod::spawn});
    mp::Pool<> c({.processes = 1, .start_method = mp::StartMethod::forkserver});
    mp::ThreadPool d(1);
    auto ra = a.map_async(square, numbers(100));
    auto rb = b.map_async(square, numbers(100));
    auto rc = c.map_async(square, numbers(100));
    auto rd = d.map_async(square, numbers(100));
    CHECK(ra.get(patience) == serial_squares(100));
    CHECK(rb.get(patience) == serial_squares(100));
    CHECK(rc.get(patience) == serial_squares(100));
    CHECK(rd.get(patience) == serial_squares(100));
    a.terminate();
    CHECK(b.apply(square, {2}) == 4);
    CHECK(c.apply(square, {2}) == 4);
}

TEST_CASE("Workers ignore SIGINT, each in a group of its own, reading /dev/null", "[pool][start]") {
    on_process_pools(2, [](auto& pool) {
        for (const int pid : worker_pids(pool, 2)) {
            CHECK(::getpgid(pid) == pid);
        }
        CHECK(pool.apply(sigint_disposition, {0}) == 1);
        CHECK(pool.apply(own_group, {0}) != ::getpgrp());
        CHECK(pool.apply(standard_input) == "/dev/null");
    });
}

TEST_CASE("Workers have names of their own", "[pool][start]") {
    on_process_pools(1, [](auto& pool) {
        const std::string name = pool.apply(own_name);
        CHECK_FALSE(name.empty());
        CHECK(name != mp::current_process().name());
    });
}

TEST_CASE("Workers hold no descriptor of the parent's that was not meant for them",
          "[pool][start]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const bool inherits = method == mp::StartMethod::fork;
    mp::Pool<> pool({.processes = 2, .start_method = method});
    CHECK(pool.map(square, numbers(10)) == serial_squares(10));
    const std::size_t held = pool.apply(open_descriptors);
    INFO("a worker has " << held << " descriptors");
    CHECK(held <= open_descriptors() + 12);
    ::close(ends[1]);
    if (!inherits) {
        char byte = 0;
        CHECK(::read(ends[0], &byte, 1) == 0);  // end of file: nobody else holds the writing end
    }
    ::close(ends[0]);
}
