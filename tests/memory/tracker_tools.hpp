// SPDX-License-Identifier: BSL-1.0
// Finding the tracker process of this family.
#pragma once

#include <sys/types.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <multiprocessing/memory/family.hpp>
#include <multiprocessing/memory/tracker_protocol.hpp>
#include <multiprocessing/os/process.hpp>

#include "support/process.hpp"

namespace memory_test {

/// The processes that are, or were, the tracker of this family.
inline std::set<pid_t> trackers() {
    std::set<pid_t> found;
    const std::string name = "@" + multiprocessing::detail::this_family().socket_name();
    for (const int pid : test_support::numbers_in("/proc")) {
        if (!multiprocessing::os::is_named(pid, multiprocessing::detail::tracker_name) ||
            !test_support::is_running(pid))
            continue;
        // the listening socket's inode is in /proc/net/unix beside its name
        std::ifstream sockets("/proc/net/unix");
        for (std::string line; std::getline(sockets, line);) {
            if (line.size() < name.size() || !line.ends_with(name))
                continue;
            std::istringstream fields(line);
            std::string field;
            for (int i = 0; i < 7; ++i)
                fields >> field;
            for (const auto& [fd, target] : test_support::descriptors(pid))
                if (target == "socket:[" + field + "]")
                    found.insert(pid);
        }
    }
    return found;
}
/// The tracker of this family; 0 when there is none.
inline pid_t tracker() {
    const std::set<pid_t> found = trackers();
    return found.empty() ? 0 : *found.begin();
}
}  // namespace memory_test
