// SPDX-License-Identifier: BSL-1.0
// The interface of section 2: Process.
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <multiprocessing.hpp>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

void greet(std::string name, int times);

struct Sub : mp::Process {
    Sub() : mp::Process({.name = "sub"}) {}
    void run() override {}
};

void control(mp::Process& p) {
    p.terminate();
    p.kill();
    p.interrupt();
    p.close();
    [[maybe_unused]] const bool ended = p.join(2.5s);
    [[maybe_unused]] const bool alive = p.is_alive();
    [[maybe_unused]] const std::optional<pid_t> pid = p.pid();
    [[maybe_unused]] const std::optional<pid_t> ident = p.ident();
    [[maybe_unused]] const std::string name = p.name();
    [[maybe_unused]] const bool daemon = p.daemon();
    [[maybe_unused]] const int sentinel = p.sentinel();
}

void targets() {
    int k = 1;
    mp::Process captures([k] { static_cast<void>(k); });
    mp::Process references([&k](int x) { k = x; }, {3});
    mp::Process moved(std::move(captures));
    std::vector<mp::Process> list;
    list.push_back(mp::Process(greet, {"x", 1}));
    list.emplace_back([] {});
    Sub sub;
    sub.start();
}

void surroundings() {
    [[maybe_unused]] const auto here = mp::current_process().name();
    [[maybe_unused]] const auto parent = mp::parent_process();
    [[maybe_unused]] const auto list = mp::active_children();
    [[maybe_unused]] const auto all = mp::cpu_count();
    [[maybe_unused]] const auto usable = mp::process_cpu_count();
}

int main() {
    mp::freeze_support();
    mp::Process p(greet, {"Ada", 3}, {.name = "greeter", .daemon = false});
    p.start();
    p.join();
    const std::optional<int> code = p.exitcode();
    return code.value_or(1);
}
