// SPDX-License-Identifier: BSL-1.0
// The three ways to start a process, and what the child sees of its parent's variables.
#include <iostream>
#include <multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

int answer = 0;

int read_answer() {
    return answer;
}

std::string describe(const std::string& name, int times) {
    return name + " times " + std::to_string(times);
}

int main() {
    mp::freeze_support();  // a spawned child takes over here: it does not run what follows

    answer = 42;
    for (mp::StartMethod method :
         {mp::StartMethod::fork, mp::StartMethod::spawn, mp::StartMethod::forkserver}) {
        mp::Pool<> pool({.processes = 2, .start_method = method});
        std::cout << mp::to_string(method) << ": the child sees " << pool.apply(read_answer)
                  << ", arguments arrive: " << pool.apply(describe, {"three", 3}) << '\n';
    }

    // A context carries the method, as in Python.
    const auto spawn = mp::get_context(mp::StartMethod::spawn);
    auto process = spawn.Process(describe, {"unused", 1});
    process.start();
    process.join();
    std::cout << "a spawned process ended with " << *process.exitcode() << '\n';
}
