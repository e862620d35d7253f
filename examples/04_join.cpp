// SPDX-License-Identifier: BSL-1.0
// start() does not wait. join() is the point of waiting: behind it the child has ended, and what
// it did is done.
#include <chrono>
#include <iostream>
#include <multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

void work(mp::Event may_finish, mp::Queue<std::string> results) {
    may_finish.wait();
    results.put("the work of the child");
}

int main() {
    mp::Event may_finish;
    mp::Queue<std::string> results;
    mp::Process child(work, {may_finish, results});
    std::cout << std::boolalpha;

    child.start();
    std::cout << "after start() it runs: " << child.is_alive() << ", results: " << results.qsize()
              << '\n';
    child.join(50ms);
    std::cout << "after join(50ms) it runs: " << child.is_alive() << '\n';

    may_finish.set();
    child.join();
    std::cout << "after join() it runs: " << child.is_alive() << ", exit code " << *child.exitcode()
              << '\n';
    std::cout << "its result: " << results.get() << '\n';
}
