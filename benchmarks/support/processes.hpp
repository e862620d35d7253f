// SPDX-License-Identifier: BSL-1.0
// CPU time and memory of all processes that run this program: the parent and whatever it started.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace benchmark {

/// The folders in /proc of this process and of all others that run the same program.
inline std::vector<std::filesystem::path> family() {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        if (std::filesystem::read_symlink(entry.path() / "exe", error) == program && !error)
            found.push_back(entry.path());
    }
    return found;
}

/// The CPU time that the living threads of the family have used, in milliseconds. Without the
/// calling thread, which uses some to find that out.
inline double family_cpu() {
    std::error_code ignored;
    const auto caller = "/proc" / std::filesystem::read_symlink("/proc/thread-self", ignored);
    double total = 0;
    for (const auto& process : family()) {
        std::error_code error;
        for (const auto& thread : std::filesystem::directory_iterator(process / "task", error)) {
            double nanoseconds = 0;
            if (thread.path() != caller &&
                std::ifstream(thread.path() / "schedstat") >> nanoseconds)
                total += nanoseconds / 1e6;
        }
    }
    return total;
}

/// The memory of the family in MiB; a page that several of them use counts once (Pss).
inline double family_memory() {
    double total = 0;
    for (const auto& process : family()) {
        std::ifstream file(process / "smaps_rollup");
        std::string word;
        while (file >> word) {
            double kibibytes = 0;
            if (word == "Pss:" && file >> kibibytes)
                total += kibibytes / 1024;
        }
    }
    return total;
}

}  // namespace benchmark
