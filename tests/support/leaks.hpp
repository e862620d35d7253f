// SPDX-License-Identifier: BSL-1.0
// What a process owns that it could leave behind: children, descriptors, threads, shared memory.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "support/process.hpp"

namespace test_support {

/// The names in /dev/shm that may be ours: MPI's tests run at the same time.
inline std::set<std::string> shared_memory_names() {
    std::set<std::string> found;
    std::error_code error;
    for (std::filesystem::directory_iterator i("/dev/shm", error), end; !error && i != end;
         i.increment(error)) {
        const std::string name = i->path().filename().string();
        if (!name.starts_with("vader_segment.") && !name.starts_with("open_mpi."))
            found.insert(name);
    }
    return found;
}

/// Whether a descriptor is this process's connection to its family's tracker, which it keeps.
inline bool is_tracker_connection(int fd) {
    sockaddr_un peer{};
    socklen_t size = sizeof peer;
    const std::string_view name = "multiprocessing-";
    return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
           peer.sun_family == AF_UNIX && peer.sun_path[0] == '\0' &&
           std::string_view(peer.sun_path + 1, sizeof peer.sun_path - 1).starts_with(name);
}

struct holdings {
    std::set<pid_t> children;
    std::map<int, std::string> descriptors;
    std::size_t threads = 0;
    std::set<std::string> shared_memory;
    std::size_t heap_segments = 0;  ///< from which small shared objects are cut: one is kept

    static holdings now() {
        holdings found{test_support::children(), test_support::descriptors(), count_threads(),
                       shared_memory_names()};
        std::erase_if(found.descriptors, [&](const auto& entry) {
            const bool heap = entry.second.find("memfd:multiprocessing-heap") != entry.second.npos;
            found.heap_segments += heap ? 1 : 0;
            return heap || is_tracker_connection(entry.first);
        });
        return found;
    }
};

/// @returns one line for each thing that `after` has and `before` has not, or the reverse where
///     that is a fault too
inline std::string difference(const holdings& before, const holdings& after) {
    std::string lines;
    for (const pid_t child : after.children) {
        if (!before.children.contains(child))
            lines += "  child " + std::to_string(child) + " in state " + state_of(child) + "\n";
    }
    for (const auto& [fd, target] : after.descriptors) {
        if (!before.descriptors.contains(fd))
            lines += "  descriptor " + std::to_string(fd) + ": " + target + "\n";
    }
    for (const auto& [fd, target] : before.descriptors) {
        if (!after.descriptors.contains(fd))
            lines +=
                "  closed a descriptor of others, " + std::to_string(fd) + ": " + target + "\n";
    }
    if (after.heap_segments > std::max<std::size_t>(before.heap_segments, 1))
        lines += "  " + std::to_string(after.heap_segments) + " segments of small objects\n";
    if (after.threads > before.threads)
        lines += "  " + std::to_string(after.threads - before.threads) + " thread(s)\n";
    for (const auto& name : after.shared_memory) {
        if (!before.shared_memory.contains(name))
            lines += "  /dev/shm/" + name + "\n";
    }
    return lines;
}

/// Threads and processes that are ending may take a moment, and programs beside this one use
/// /dev/shm too: what is still there after `limit` counts.
inline std::string wait_for_tidiness(const holdings& before,
                                     std::chrono::milliseconds limit = 10s) {
    std::string left;
    eventually(
        [&] {
            left = difference(before, holdings::now());
            return left.empty();
        },
        limit);
    return left;
}

}  // namespace test_support
