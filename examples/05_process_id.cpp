// SPDX-License-Identifier: BSL-1.0
// The process id: of this process, of a child, and what the child knows about its parent. The
// numbers differ from run to run, so they are compared and not printed.
#include <sys/types.h>
#include <unistd.h>
#include <iostream>
#include <multiprocessing.hpp>

namespace mp = multiprocessing;

struct Ids {
    pid_t self, parent;
};

void report(mp::SimpleQueue<Ids> queue) {
    queue.put({*mp::current_process().pid(), *mp::parent_process()->pid()});
}

int main() {
    mp::SimpleQueue<Ids> queue;
    mp::Process child(report, {queue}, {.name = "reporter"});
    std::cout << std::boolalpha << "before start() there is an id: " << child.pid().has_value()
              << '\n';
    child.start();
    const Ids ids = queue.get();
    child.join();

    std::cout << "this is " << mp::current_process().name() << ", the child was " << child.name()
              << '\n';
    std::cout << "current_process().pid() is getpid(): "
              << (mp::current_process().pid() == ::getpid()) << '\n';
    std::cout << "the child had another id: " << (ids.self != ::getpid()) << '\n';
    std::cout << "it is the one that pid() says: " << (ids.self == child.pid()) << '\n';
    std::cout << "its parent is this process: " << (ids.parent == ::getpid()) << '\n';
}
