// SPDX-License-Identifier: BSL-1.0
// A program and its child that have names in /dev/shm, and remove none: blocks that both make, a
// list, and a lock among the global objects, which a spawned child makes anew before main begins.
// Prints a name a line, then "ready", and waits to be killed, or ends.
// usage: shared_names METHOD wait|end, with the lock's name in the variable SHARED_NAMES_LOCK
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include <multiprocessing/process.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/shared.hpp>
#include <multiprocessing/synchronize.hpp>

namespace mp = multiprocessing;
using mp::shared_memory::ShareableList;
using mp::shared_memory::SharedMemory;

namespace {

std::string lock_name() {
    const char* const name = std::getenv("SHARED_NAMES_LOCK");
    return name != nullptr ? name : "shared_names";
}
const mp::Lock global_lock(lock_name());

void make_a_block(mp::Queue<std::string> names, bool waits) {
    const std::scoped_lock guard(global_lock);
    const SharedMemory block({.create = true, .size = 100});
    names.put(block.name());
    while (waits)
        ::pause();
}

}  // namespace

int main(int argc, char** argv) {
    mp::freeze_support();
    if (argc != 3)
        return 2;
    auto method = mp::StartMethod::fork;
    for (const mp::StartMethod each : mp::get_all_start_methods())
        if (to_string(each) == argv[1])
            method = each;
    const bool waits = std::strcmp(argv[2], "wait") == 0;

    const SharedMemory block({.create = true, .size = 100});
    const ShareableList list{1, "two"};
    const mp::Queue<std::string> names;
    global_lock.acquire();
    mp::Process child(make_a_block, {names, waits}, {.daemon = true, .start_method = method});
    child.start();
    global_lock.release();
    const std::string childs = names.get();
    // the child has the lock, and keeps it while it waits
    if (waits && global_lock.acquire(false))
        return 3;
    std::printf("%s\n%s\n%s\nready\n", block.name().c_str(), list.shm().name().c_str(),
                childs.c_str());
    std::fflush(stdout);
    while (waits)
        ::pause();
    child.join();
    return child.exitcode().value_or(4);
}
