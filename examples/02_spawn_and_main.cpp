// SPDX-License-Identifier: BSL-1.0
// A spawned child is this program, executed anew. In freeze_support() it becomes the child; without
// that call it would run main() again, and so it fails, by intention, before it starts a process.
#include <cstdlib>
#include <iostream>
#include <multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

void greet(const std::string& name) {
    std::cout << "Hello, " << name << '\n';
}

/// Returns whether the child ended well.
bool spawn_greeter(const std::string& name) {
    try {
        mp::Process process(greet, {name}, {.start_method = mp::StartMethod::spawn});
        process.start();
        process.join();
        return process.exitcode() == 0;
    } catch (const mp::ProcessError& error) {  // it ended before it became a child process
        std::cerr << error.what() << '\n';
        return false;
    }
}

int main() {
    if (std::getenv("FORGETFUL") == nullptr)
        mp::freeze_support();  // first of all: the child does not come further than this
    std::cout << "main begins" << std::endl;

    const bool guarded = spawn_greeter("Ada");
    std::cout << "with the guard it works: " << (guarded ? "yes" : "no") << std::endl;
    ::setenv("FORGETFUL", "1", 1);
    const bool forgetful = spawn_greeter("Eve");
    std::cout << "without it: " << (forgetful ? "yes" : "no") << std::endl;
}
