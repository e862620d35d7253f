// SPDX-License-Identifier: BSL-1.0
// How many CPUs the machine has, and how many this process may use: affinity and cgroup quota.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// At least 1.
inline int online_cpus() noexcept {
    return static_cast<int>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
}

/// The CPUs that the scheduler may give to the calling thread.
inline int affinity_cpus() {
    for (int cpus = 1024; cpus <= (1 << 20); cpus *= 2) {  // EINVAL: the kernel knows more CPUs
        cpu_set_t* const set = CPU_ALLOC(static_cast<std::size_t>(cpus));
        if (set == nullptr)
            break;
        const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
        const bool known = ::sched_getaffinity(0, size, set) == 0;
        const int count = known ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (known)
            return std::max(count, 1);
    }
    return online_cpus();
}

namespace cpu_detail {

inline std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);)
        parts.push_back(part);
    return parts;
}

/// The quota of one cgroup in CPUs, if it has one.
inline std::optional<double> quota_v2(const std::string& directory) {
    std::ifstream file(directory + "/cpu.max");
    std::string quota;
    double period = 0;
    if (!(file >> quota >> period) || quota == "max" || period <= 0)
        return std::nullopt;
    return std::atof(quota.c_str()) / period;
}
inline std::optional<double> quota_v1(const std::string& directory) {
    double quota = 0;
    double period = 0;
    if (!(std::ifstream(directory + "/cpu.cfs_quota_us") >> quota) ||
        !(std::ifstream(directory + "/cpu.cfs_period_us") >> period) || quota <= 0 || period <= 0)
        return std::nullopt;
    return quota / period;
}

/// One mounted hierarchy of cgroups that limits CPU time.
struct hierarchy {
    bool unified = false;
    std::string root;   // the cgroup that is mounted
    std::string mount;  // where
};

inline std::vector<hierarchy> hierarchies(const std::string& proc) {
    std::vector<hierarchy> found;
    std::ifstream file(proc + "/mountinfo");
    for (std::string line; std::getline(file, line);) {
        const auto words = split(line, ' ');
        const auto dash = std::find(words.begin(), words.end(), "-");
        if (words.size() < 5 || words.end() - dash < 4)
            continue;
        const std::string& type = dash[1];
        const auto options = split(dash[3], ',');
        if (type == "cgroup2")
            found.push_back({true, words[3], words[4]});
        else if (type == "cgroup" &&
                 std::find(options.begin(), options.end(), "cpu") != options.end())
            found.push_back({false, words[3], words[4]});
    }
    return found;
}

}  // namespace cpu_detail

/// The smallest quota on the way from this process's cgroup up to the root, in CPUs.
/// @param proc the process's directory in /proc; a test may give another
/// @param prefix put before every mount point; a test may give a directory of its own
inline std::optional<double> cgroup_quota(const std::string& proc = "/proc/self",
                                          const std::string& prefix = {}) {
    using namespace cpu_detail;
    std::optional<double> smallest;
    const auto places = hierarchies(proc);
    std::ifstream file(proc + "/cgroup");
    for (std::string line; std::getline(file, line);) {
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos)
            continue;
        const auto names = split(line.substr(first + 1, second - first - 1), ',');
        const bool unified = names.empty();
        if (!unified && std::find(names.begin(), names.end(), "cpu") == names.end())
            continue;
        for (const hierarchy& place : places) {
            if (place.unified != unified)
                continue;
            std::string path = line.substr(second + 1);
            // in a container the mount shows only the part of the tree below its root
            if (place.root != "/" && path.compare(0, place.root.size(), place.root) == 0)
                path.erase(0, place.root.size());
            for (;;) {
                const std::string directory =
                    prefix + place.mount + (path == "/" ? std::string() : path);
                const auto quota = unified ? quota_v2(directory) : quota_v1(directory);
                if (quota && (!smallest || *quota < *smallest))
                    smallest = quota;
                const auto slash = path.find_last_of('/');
                if (slash == std::string::npos || path.empty())
                    break;
                path.erase(slash);
            }
        }
    }
    return smallest;
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
