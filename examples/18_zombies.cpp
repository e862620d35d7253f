// SPDX-License-Identifier: BSL-1.0
// A process that has ended stays in the kernel's table, as a zombie, until its parent asks how it
// ended. join() asks, and so do is_alive(), exitcode(), active_children() and the destructor.
#include <sys/types.h>
#include <fstream>
#include <iostream>
#include <multiprocessing.hpp>
#include <string>
#include <vector>

namespace mp = multiprocessing;

void nothing() {}

/// What the kernel's table says about a process.
std::string entry(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(file, text))
        return "gone";
    return text[text.rfind(')') + 2] == 'Z' ? "a zombie" : "alive";
}

int main() {
    mp::Process process(nothing);
    process.start();
    const pid_t pid = *process.pid();
    mp::connection::wait({process.sentinel()});  // until it has ended
    std::cout << "ended, not joined: " << entry(pid) << '\n';
    process.join();
    std::cout << "joined: " << entry(pid) << '\n';

    std::vector<mp::Process> several;
    std::vector<pid_t> pids;
    for (int i = 0; i < 3; ++i) {
        several.emplace_back(nothing);
        several.back().start();
        pids.push_back(*several.back().pid());
    }
    for (auto& one : several)
        mp::connection::wait({one.sentinel()});
    std::cout << "children that run: " << mp::active_children().size() << '\n';
    for (const pid_t one : pids)
        std::cout << "after active_children(): " << entry(one) << '\n';
}
