// SPDX-License-Identifier: BSL-1.0
// A child process has a memory of its own: what it changes there stays unchanged here. A thread
// changes the one memory that all threads of a program share.
#include <iostream>
#include <multiprocessing.hpp>
#include <thread>
#include <vector>

namespace mp = multiprocessing;

std::vector<int> numbers{1, 2, 3};

void append(const char* who) {
    numbers.push_back(4);
    std::cout << who << " sees " << numbers.size() << " numbers\n";
}

void append_in_process() {
    append("the process");
}

int main() {
    mp::Process process(append_in_process);
    process.start();
    process.join();
    std::cout << "afterwards there are " << numbers.size() << " here\n";

    std::thread thread(append, "the thread");
    thread.join();
    std::cout << "afterwards there are " << numbers.size() << " here\n";
}
