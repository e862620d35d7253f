// SPDX-License-Identifier: BSL-1.0
// The public promise of Process, as users write it: it must compile without a warning.
#include <sys/types.h>

#include <chrono>
#include <multiprocessing.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

void greet(std::string name, int times);

int main() {
    mp::freeze_support();
    mp::Process p(greet, {"Ada", 3}, {.name = "greeter", .daemon = false});
    p.start();
    p.join();
    return p.exitcode().value_or(1);
}

struct Derived : mp::Process {
    Derived() : mp::Process({.name = "derived"}) {}
    void run() override {}
};

void members() {
    Derived derived;
    derived.start();
    [[maybe_unused]] const bool ended = derived.join(2.5s);
    [[maybe_unused]] const std::optional<pid_t> pid = derived.pid();
    [[maybe_unused]] const std::optional<int> code = derived.exitcode();
}

void questions() {
    [[maybe_unused]] const std::string name = mp::current_process().name();
    [[maybe_unused]] const std::optional<mp::ProcessInfo> parent = mp::parent_process();
    [[maybe_unused]] const std::vector<mp::ProcessInfo> children = mp::active_children();
    [[maybe_unused]] const int cpus = mp::cpu_count();
    [[maybe_unused]] const int usable = mp::process_cpu_count();
}

void captures_and_containers() {
    int k = 1;
    mp::Process by_value([k] { (void)k; });
    mp::Process by_reference([&k](int x) { k = x; }, {3});
    mp::Process moved(std::move(by_value));
    std::vector<mp::Process> processes;
    processes.push_back(mp::Process(greet, {"x", 1}));
    processes.emplace_back([] {});
}
