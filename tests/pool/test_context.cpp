// SPDX-License-Identifier: BSL-1.0
// Contexts: their processes and pools use their start method, whatever the default is.
#include <unistd.h>

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include <multiprocessing.hpp>

#include "pool/pool_tools.hpp"

using namespace pool_test;

namespace {

int start_method_here(int) {
    return static_cast<int>(mp::get_start_method());
}

void leave_with_start_method() {
    ::_exit(10 + start_method_here(0));
}

void leave_with(int code) {
    ::_exit(code);
}

struct Doubler {
    int factor = 2;
    int operator()(int x) const { return factor * x; }
};

bool initialized = false;
void initialize() {
    initialized = true;
}
bool is_initialized() {
    return initialized;
}

int ended_with(mp::Process process) {
    process.start();
    if (!process.join(patience)) {
        process.kill();
        return -1000;
    }
    return process.exitcode().value_or(-1001);
}

}  // namespace

TEST_CASE("Context.Process starts processes with the context's start method", "[pool][start]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    const auto context = mp::get_context(method);
    CHECK(ended_with(context.Process(leave_with_start_method)) == 10 + static_cast<int>(method));
    CHECK(ended_with(context.Process(leave_with, {7})) == 7);
    CHECK(ended_with(context.Process()) == 0);

    const auto named = context.Process(leave_with, {0}, {.name = "Ada", .daemon = true});
    CHECK(named.name() == "Ada");
    CHECK(named.daemon());
    CHECK(context.Process({.name = "Grace"}).name() == "Grace");
}

TEST_CASE("Context.Pool makes every kind of pool with the context's start method",
          "[pool][start]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    const auto context = mp::get_context(method);
    {
        auto pool = context.Pool({.processes = 1, .initializer = initialize});
        static_assert(std::is_same_v<decltype(pool), mp::Pool<>>);
        CHECK(pool.apply(start_method_here, {0}) == static_cast<int>(method));
        CHECK(pool.apply(is_initialized));
    }
    {
        auto pool = context.Pool(1U);
        static_assert(std::is_same_v<decltype(pool), mp::Pool<>>);
        CHECK(pool.map(start_method_here, {1, 2}) == std::vector<int>(2, static_cast<int>(method)));
    }
    {
        auto pool = context.Pool();
        CHECK(pool.apply(square, {12}) == 144);
    }
    {
        auto pool = context.Pool(Doubler{3}, {.processes = 1});
        static_assert(std::is_same_v<decltype(pool), mp::Pool<Doubler>>);
        CHECK(pool.map({1, 2}) == std::vector<int>{3, 6});
    }
    {
        auto pool = context.Pool(start_method_here, {.processes = 1});
        static_assert(std::is_same_v<decltype(pool), mp::Pool<int (*)(int)>>);
        CHECK(pool.apply({0}) == static_cast<int>(method));
    }
}

TEST_CASE("A context has one start method for life", "[pool][start]") {
    const auto spawn = mp::get_context(mp::StartMethod::spawn);
    const auto fork = mp::get_context(mp::StartMethod::fork);
    CHECK(spawn.get_start_method() == mp::StartMethod::spawn);
    CHECK_THROWS_AS(spawn.set_start_method(mp::StartMethod::spawn), mp::ValueError);
    CHECK_THROWS_AS(spawn.set_start_method(mp::StartMethod::fork, true), mp::ValueError);

    CHECK(spawn.get_context() == spawn);
    CHECK(spawn.get_context(mp::StartMethod::fork) == fork);
    CHECK_FALSE(spawn == fork);
}

TEST_CASE("A context refuses options that name another start method", "[pool][start]") {
    const auto context = mp::get_context(mp::StartMethod::fork);
    CHECK_THROWS_WITH(
        context.Pool({.start_method = mp::StartMethod::spawn}),
        Catch::Contains("the options say spawn") && Catch::Contains("the context is for fork"));
    CHECK_THROWS_AS(context.Process(leave_with, {0}, {.start_method = mp::StartMethod::spawn}),
                    mp::ValueError);
    CHECK(ended_with(context.Process(leave_with, {4}, {.start_method = mp::StartMethod::fork})) ==
          4);
}

TEST_CASE("get_context() is the context of the default start method", "[pool][start]") {
    CHECK(mp::get_context().get_start_method() == mp::get_start_method());
}

TEST_CASE("A context passes on what does not depend on the start method", "[pool][start]") {
    const auto context = mp::get_context(mp::StartMethod::spawn);
    CHECK(context.cpu_count() == mp::cpu_count());
    CHECK(context.current_process().pid() == ::getpid());
    CHECK_FALSE(context.parent_process());
    CHECK(context.active_children().empty());
    CHECK(&context.get_logger() == &mp::get_logger());
    context.freeze_support();
}
