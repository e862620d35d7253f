// SPDX-License-Identifier: BSL-1.0
// Who the calling process is and who started it, as the library knows it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include <multiprocessing/core/logging.hpp>
#include <multiprocessing/os/process.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The process that started this one.
struct parent_identity {
    pid_t pid = 0;
    std::string name;
    os::descriptor pidfd;  ///< empty when it had ended before this process could look
};

/// Written when the process begins, while it has one thread; read by all.
struct process_identity {
    std::string name = "MainProcess";
    /// The numbers on the way from the main process to this one, as "1:2"; empty in the main one.
    std::string path;
    bool daemon = false;
    std::shared_ptr<const parent_identity> parent;  ///< empty in the main process
    std::atomic<unsigned> children{0};              ///< how many numbers were given to children

    static process_identity& instance() {
        static auto& object = *new process_identity;  // exit handlers still use it
        return object;
    }
};

inline process_identity& this_process() {
    return process_identity::instance();
}

/// Makes the calling process, which was just started, another one than its parent; its log begins
/// with that.
inline void become_process(std::string name, std::string path, bool daemon,
                           parent_identity parent) {
    process_identity& self = this_process();
    self.name = std::move(name);
    self.path = std::move(path);
    self.daemon = daemon;
    self.parent = std::make_shared<const parent_identity>(std::move(parent));
    self.children = 0;
    get_logger().info("child process begins its work");
}

/// The path of the next child: "3" in the main process, "1:3" in its first child.
inline std::string next_child_path() {
    process_identity& self = this_process();
    const std::string number = std::to_string(self.children.fetch_add(1) + 1);
    return self.path.empty() ? number : self.path + ":" + number;
}

/// Lines of the logger name the process that wrote them.
inline const bool log_lines_name_the_process = [] {
    log_process_name = [] { return this_process().name; };
    return true;
}();

/// How many of this process's threads the library itself started. They hold no lock that a forked
/// child needs, so they are not counted as threads that make fork dangerous.
/// Counted before such a thread is started, so that a fork right after does not warn of it.
inline std::atomic<int>& library_threads() {
    static std::atomic<int> count{0};
    return count;
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
