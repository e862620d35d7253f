// SPDX-License-Identifier: BSL-1.0
// Runs a function in a process of its own and reads how it ended.
#include <cstdlib>
#include <iostream>
#include <multiprocessing.hpp>
#include <stdexcept>
#include <string>

namespace mp = multiprocessing;

void greet(const std::string& name, int times) {
    for (int i = 0; i < times; ++i)
        std::cout << "Hello, " << name << ", from the process '" << mp::current_process().name()
                  << "'\n";
}

void give_up() {
    std::exit(3);
}

void crash() {
    std::abort();
}

int main() {
    mp::freeze_support();  // the first statement of main(): the other start methods need it

    mp::Process greeter(greet, {"Ada", 2}, {.name = "greeter"});
    greeter.start();
    greeter.join();
    std::cout << greeter.name() << " ended with exit code " << *greeter.exitcode() << '\n';

    // A process that fails takes nobody with it. Negative: the signal that ended it.
    mp::Process quitter(give_up);
    mp::Process crasher(crash);
    quitter.start();
    crasher.start();
    quitter.join();
    crasher.join();
    std::cout << "the one that gave up: " << *quitter.exitcode() << '\n';
    std::cout << "the one that crashed: " << *crasher.exitcode() << '\n';

    std::cout << "processes still running: " << mp::active_children().size() << '\n';
}
