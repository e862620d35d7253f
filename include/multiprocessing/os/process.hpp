// SPDX-License-Identifier: BSL-1.0
// Child processes: to fork, to wait for, to signal, and what ends them when their parent ends.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/process_id.hpp>
#include <multiprocessing/os/socket.hpp>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace multiprocessing {
inline namespace v0 {
namespace os {

inline pid_t parent_id() noexcept {
    return ::getppid();
}

/// A descriptor of a process: readable once it has ended; empty when there is no such process.
inline descriptor open_process(pid_t pid) {
    const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0 && errno != ESRCH)
        throw_system_error("pidfd_open");
    return fd < 0 ? descriptor() : above_standard_streams(descriptor(fd));
}

/// Signals a process without the danger that its pid belongs to another one by now.
inline bool signal_process(int pidfd, int signal) noexcept {
    return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}
inline bool signal_pid(pid_t pid, int signal) noexcept {
    return ::kill(pid, signal) == 0;
}
inline bool signal_group(pid_t group, int signal) noexcept {
    return ::kill(-group, signal) == 0;
}
inline void raise_signal(int signal) noexcept {
    ::raise(signal);
}

/// How a child ended: the exit status, or minus the signal, as Python's exitcode.
struct child_end {
    pid_t pid;
    int exitcode;
};

namespace detail {
inline std::optional<child_end> wait_for(idtype_t type, id_t id, int flags) noexcept {
    siginfo_t info{};
    if (retry([&] { return ::waitid(type, id, &info, WEXITED | flags); }) < 0)
        return std::nullopt;
    const int code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return child_end{info.si_pid, code};
}
}  // namespace detail

/// Looks for any child that has ended and leaves it as a zombie.
inline std::optional<child_end> find_ended_child() noexcept {
    const auto found = detail::wait_for(P_ALL, 0, WNOHANG | WNOWAIT);
    return found && found->pid != 0 ? found : std::nullopt;
}
/// Reaps a child that has ended.
inline void reap(pid_t pid) noexcept {
    detail::wait_for(P_PID, static_cast<id_t>(pid), WNOHANG);
}

/// Whether the caller has a child at all, ended or not.
inline bool has_children() noexcept {
    return detail::wait_for(P_ALL, 0, WNOHANG | WNOWAIT).has_value();
}

/// Opens a child that was just made. A child that could not be watched would be lost: it is killed
/// and reaped when there is no descriptor left.
/// @returns empty when it has ended and somebody else has reaped it
inline descriptor open_child(pid_t pid) {
    try {
        return open_process(pid);
    } catch (...) {
        ::kill(pid, SIGKILL);
        detail::wait_for(P_PID, static_cast<id_t>(pid), 0);
        throw;
    }
}

enum class child_state { alive, ended, unknown };
/// Reaps the child if it has ended. Unknown: it is no child, or somebody else has reaped it.
inline std::pair<child_state, int> try_reap(int pidfd) noexcept {
    const auto found =
        detail::wait_for(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), WNOHANG);
    if (!found)
        return {child_state::unknown, 0};
    if (found->pid == 0)
        return {child_state::alive, 0};
    return {child_state::ended, found->exitcode};
}

/// Waits until the process has ended. @returns false when it still lives after `limit`
inline bool wait_for_end(int pidfd, std::chrono::nanoseconds limit) noexcept {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd entry{pidfd, POLLIN, 0};
        if (::poll(&entry, 1, static_cast<int>(std::max<long>(left.count(), 0))) > 0)
            return true;
        if (left.count() <= 0)
            return false;
    }
}

/// fork(2). @throws std::system_error (EAGAIN: too many processes)
inline pid_t fork_process() {
    return check(::fork(), "fork");
}

/// Calls `handler` when the process calls exit, before every handler that is registered already.
inline void at_exit_first(void (*handler)(int status, void*)) noexcept {
    ::on_exit(handler, nullptr);
}

/// Ends the calling process at once: no exit handlers, no destructors of static objects.
[[noreturn]] inline void end_process(int status) noexcept {
    ::_exit(status);
}

/// Makes `pid` (0: the caller) the leader of a new process group. Parent and child both call it, so
/// that the group exists whoever runs first.
inline void make_group(pid_t pid) noexcept {
    ::setpgid(pid, pid);
}
inline pid_t group_of(pid_t pid) noexcept {
    return ::getpgid(pid);
}

/// Makes the orphaned descendants of this process its children.
inline void become_subreaper() noexcept {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/// The name that ps and top show, at most 15 characters.
inline void set_thread_name(const char* name) noexcept {
    ::prctl(PR_SET_NAME, name, 0, 0, 0);
}
inline std::string get_thread_name() {
    char name[17] = {};
    ::prctl(PR_GET_NAME, name, 0, 0, 0);
    return name;
}

/// Has the kernel send this process a signal when the *thread* that forked it ends, and again when
/// the thread of the parent that then stands in for it does: SIGKILL only for the child of a
/// single-threaded process. Not passed on to children.
inline void signal_at_end_of_parent_thread(int signal) noexcept {
    ::prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0);
}

namespace detail {
/// What stands in /proc/PID/stat behind the name, which may hold anything; empty when it is gone.
inline std::string stat_of(int proc, const char* pid) {
    const std::string path = std::string(pid) + "/stat";
    const descriptor file(::openat(proc, path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[1024];
    const auto size = file ? ::read(file.get(), text, sizeof text) : -1;
    const std::string_view line(text, size > 0 ? static_cast<std::size_t>(size) : 0);
    const auto name_end = line.rfind(')');
    return name_end == line.npos ? std::string() : std::string(line.substr(name_end + 1));
}
/// The parent of a process; 0 when it is gone.
inline pid_t parent_of(int proc, const char* pid) {
    int parent = 0;
    return std::sscanf(stat_of(proc, pid).c_str(), " %*c %d", &parent) == 1 ? parent : 0;
}
}  // namespace detail

/// Whether a process is stopped, as by Ctrl-Z; no when it is gone, or /proc is missing.
inline bool is_stopped(pid_t pid) {
    const std::string path = "/proc/" + std::to_string(pid);
    return detail::stat_of(AT_FDCWD, path.c_str()).starts_with(" T");
}

/// When a process began, in ticks since the machine's start: tells it from a later one with its
/// pid. @returns 0 when it is gone, or /proc is missing
inline unsigned long long process_start_time(pid_t pid) {
    const descriptor proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    unsigned long long ticks = 0;
    const std::string fields = detail::stat_of(proc.get(), std::to_string(pid).c_str());
    // state, 18 numbers, start time: proc(5)
    return std::sscanf(fields.c_str(),
                       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                       "%*d %llu",
                       &ticks) == 1
               ? ticks
               : 0;
}

/// Whether the process shows this name in ps.
inline bool is_named(pid_t pid, std::string_view name) {
    const descriptor file(
        ::open(("/proc/" + std::to_string(pid) + "/comm").c_str(), O_RDONLY | O_CLOEXEC));
    char text[32];
    const auto size = file ? ::read(file.get(), text, sizeof text) : -1;
    return size > 0 && std::string_view(text, static_cast<std::size_t>(size - 1)) == name;
}

/// The children of a single-threaded process; none when /proc is missing.
/// @note Where the kernel lacks CONFIG_PROC_CHILDREN this reads all of /proc, some microseconds for
///     each process of the machine.
inline std::vector<pid_t> list_children() {
    std::vector<pid_t> children;
    if (std::FILE* const file = std::fopen("/proc/thread-self/children", "re")) {
        int pid = 0;
        while (std::fscanf(file, "%d", &pid) == 1)
            children.push_back(pid);
        std::fclose(file);
        return children;
    }
    DIR* const directory = ::opendir("/proc");
    if (directory == nullptr)
        return children;
    const pid_t self = ::getpid();
    while (const dirent* const entry = ::readdir(directory)) {
        const int pid = std::atoi(entry->d_name);
        if (pid > 0 && detail::parent_of(::dirfd(directory), entry->d_name) == self)
            children.push_back(pid);
    }
    ::closedir(directory);
    return children;
}

/// How many threads this process has; 1 when /proc cannot tell.
inline int count_threads() noexcept {
    DIR* const directory = ::opendir("/proc/self/task");
    if (directory == nullptr)
        return 1;
    int count = 0;
    while (const dirent* const entry = ::readdir(directory))
        count += entry->d_name[0] != '.' ? 1 : 0;
    ::closedir(directory);
    return count;
}

/// A pipe of which nothing is ever read or written: its reader learns that the writers are gone.
inline std::pair<descriptor, descriptor> life_pipe() {
    int ends[2];
    const int result = ::pipe2(ends, O_CLOEXEC | O_NONBLOCK);
    return new_descriptors(result, ends, "pipe2");
}

enum class victim { process, group };

/// Has the kernel kill this process, or its group, once the last writer of the life pipe is gone:
/// also when it is stopped, blocks all signals or sits in a system call.
/// @param life the pipe's read end. It is opened anew, because owner and signal belong to the open
///     file, which every child shares.
/// @returns what must stay open; empty where /proc is missing: then nothing is armed
/// @note The kernel sends the signal only at the change: a writer that is gone already ends the
///     caller here.
inline descriptor die_with_writer(int life, victim whom) noexcept {
    const std::string path = "/proc/self/fd/" + std::to_string(life);
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return {};
    if (fd < 3) {
        const int higher = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
        ::close(fd);
        fd = higher;
    }
    const f_owner_ex owner{whom == victim::group ? F_OWNER_PGRP : F_OWNER_PID,
                           whom == victim::group ? ::getpgrp() : ::getpid()};
    ::fcntl(fd, F_SETSIG, SIGKILL);
    ::fcntl(fd, F_SETOWN_EX, &owner);
    ::fcntl(fd, F_SETFL, O_RDONLY | O_NONBLOCK | O_ASYNC);
    pollfd state{fd, POLLIN, 0};
    if (::poll(&state, 1, 0) > 0)
        ::_exit(1);
    return descriptor(fd);
}

namespace detail {
/// Makes /dev/null of the first `count` standard streams, and of those behind them that are closed.
inline void detach_streams(int count) noexcept {
    const int fd = ::open("/dev/null", O_RDWR);
    for (int stream = STDIN_FILENO; fd >= 0 && stream <= STDERR_FILENO; ++stream)
        if (stream < count || !is_open(stream))
            ::dup2(fd, stream);
    if (fd > STDERR_FILENO)
        ::close(fd);
}
}  // namespace detail

/// Makes standard input read nothing. Output streams that are closed become /dev/null: what this
/// process prints must not go where a file of its own lands.
inline void detach_standard_input() noexcept {
    detail::detach_streams(1);
}
/// Makes all three standard streams /dev/null.
inline void detach_standard_streams() noexcept {
    detail::detach_streams(3);
}

/// Leaves the session, the process group and the terminal of the parent. Not for a group leader.
inline void leave_session() noexcept {
    ::setsid();
}

/// Waits until a child has ended and reaps it. Nothing when somebody else has.
inline void wait_for_child(pid_t pid) noexcept {
    detail::wait_for(P_PID, static_cast<id_t>(pid), 0);
}

/// Writes to standard error past all buffers, as a child that is about to end must.
inline void print_error(const std::string& text) noexcept {
    std::size_t done = 0;
    while (done < text.size()) {
        const auto wrote = ::write(STDERR_FILENO, text.data() + done, text.size() - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return;
        done += static_cast<std::size_t>(wrote);
    }
}

/// Closes the descriptor on exec.
inline void close_on_exec(int fd) noexcept {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/// Takes a variable out of the environment. @returns its value, if it was there
inline std::optional<std::string> take_variable(const char* name) {
    const char* const value = std::getenv(name);
    if (value == nullptr)
        return std::nullopt;
    std::string copy = value;
    ::unsetenv(name);
    return copy;
}

/// Calls `prepare` and `parent` before and after every fork, `child` in the forked process.
inline void at_fork(void (*prepare)(), void (*parent)(), void (*child)()) {
    if (const int error = ::pthread_atfork(prepare, parent, child))
        throw_system_error("pthread_atfork", error);
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
