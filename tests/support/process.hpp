// SPDX-License-Identifier: BSL-1.0
// What tests need to know about processes: run a command, count children, list descriptors.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

extern char** environ;

namespace test_support {

using namespace std::chrono_literals;

/// How long anything may take before it counts as hung; generous, since machines are shared.
inline constexpr std::chrono::seconds patience{30};

/// Polls until the condition holds. @returns false when it does not within the limit
template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = patience) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end)
            return condition();
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

/// The names in a folder that are numbers; empty when the folder cannot be read.
inline std::set<int> numbers_in(const std::filesystem::path& folder) {
    std::set<int> found;
    std::error_code error;
    for (std::filesystem::directory_iterator i(folder, error), end; !error && i != end;
         i.increment(error)) {
        const std::string name = i->path().filename().string();
        int number = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), number).ec == std::errc())
            found.insert(number);
    }
    return found;
}

/// The children of a process, zombies included, whichever of its threads started them.
inline std::set<pid_t> children(pid_t pid = ::getpid()) {
    std::set<pid_t> found;
    const std::filesystem::path tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const int thread : numbers_in(tasks)) {
        std::ifstream list(tasks / std::to_string(thread) / "children");
        for (pid_t child = 0; list >> child;)
            found.insert(child);
    }
    return found;
}

/// The children that a sanitizer started in this program before the first test.
inline std::set<pid_t>& helper_processes() {
    static std::set<pid_t> pids;
    return pids;
}

inline std::size_t count_threads(pid_t pid = ::getpid()) {
    return numbers_in("/proc/" + std::to_string(pid) + "/task").size();
}

/// The open descriptors of a process and what each is.
inline std::map<int, std::string> descriptors(pid_t pid = ::getpid()) {
    std::map<int, std::string> found;
    const std::filesystem::path folder = "/proc/" + std::to_string(pid) + "/fd";
    for (const int fd : numbers_in(folder)) {
        std::error_code error;
        const auto target = std::filesystem::read_symlink(folder / std::to_string(fd), error);
        // the descriptor that reads the folder is listed too, and gone by now
        if (!error)
            found.emplace(fd, target.string());
    }
    return found;
}

/// A number from /proc/PID/status, such as "VmRSS" or "VmHWM" in KiB; 0 when there is none.
inline std::size_t status_number(const std::string& key, pid_t pid = ::getpid()) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind(key + ":", 0) == 0)
            return std::stoul(line.substr(key.size() + 1));
    }
    return 0;
}

/// The resident memory of a process in KiB.
inline std::size_t resident_kib(pid_t pid = ::getpid()) {
    return status_number("VmRSS", pid);
}

/// The state letter of a process as in /proc/PID/stat: R, S, D, T, Z; 0 when it does not exist.
inline char state_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const auto at = text.rfind(") ");
    return at == std::string::npos ? '\0' : text[at + 2];
}

/// The process exists and is no zombie.
inline bool is_running(pid_t pid) {
    const char state = state_of(pid);
    if (state == 'Z')  // a sanitizer's thread keeps its sockets open until it has ended, too
        return status_number("Threads", pid) > 1;
    return state != '\0' && state != 'X';
}

/// Sends SIGSTOP. @returns whether the process stands still
inline bool stop_process(pid_t pid) {
    ::kill(pid, SIGSTOP);
    return eventually([&] { return state_of(pid) == 'T'; });
}

/// It has ended; a zombie that nobody has waited for counts as ended.
inline bool gone(pid_t pid) {
    return !is_running(pid);
}

/// What became of a command.
struct outcome {
    int status = -1;  ///< the exit status, or minus the signal that ended it
    bool timed_out = false;
    std::string out;
    std::string err;
};

/// Runs a program found through PATH, without a shell, its standard input empty, and waits.
/// @param limit after which it is killed
/// @param environment as "NAME=value", added to this process's own
inline outcome run(const std::vector<std::string>& command, std::chrono::milliseconds limit = 30s,
                   const std::vector<std::string>& environment = {}) {
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0)
        throw std::system_error(errno, std::generic_category(), "pipe2");

    std::vector<char*> arguments;
    for (const auto& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    std::vector<char*> variables;
    for (const auto& variable : environment)
        variables.push_back(const_cast<char*>(variable.c_str()));
    for (char** variable = environ; *variable != nullptr; ++variable)
        variables.push_back(*variable);
    variables.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    ::posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    pid_t pid = 0;
    const int error =
        ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), variables.data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    ::close(err[1]);

    outcome result;
    pollfd ends[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
    std::string* texts[2] = {&result.out, &result.err};
    const auto end = std::chrono::steady_clock::now() + limit;
    int open = error == 0 ? 2 : 0;
    while (open > 0) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        if (left <= 0ms) {
            result.timed_out = true;
            ::kill(pid, SIGKILL);
            break;
        }
        ::poll(ends, 2, static_cast<int>(left.count()) + 1);
        for (std::size_t i = 0; i < 2; ++i) {
            if (ends[i].fd < 0 || ends[i].revents == 0)
                continue;
            char buffer[4096];
            const auto size = ::read(ends[i].fd, buffer, sizeof buffer);
            if (size > 0) {
                texts[i]->append(buffer, static_cast<std::size_t>(size));
            } else if (size == 0 || errno != EINTR) {
                ends[i].fd = -1;
                --open;
            }
        }
    }
    ::close(out[0]);
    ::close(err[0]);
    if (error != 0)
        throw std::system_error(error, std::generic_category(), command.front());
    // it may close its output and go on
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0) {
        if (!result.timed_out && std::chrono::steady_clock::now() >= end) {
            result.timed_out = true;
            ::kill(pid, SIGKILL);
        }
        std::this_thread::sleep_for(1ms);
    }
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return result;
}

}  // namespace test_support
