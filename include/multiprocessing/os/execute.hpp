// SPDX-License-Identifier: BSL-1.0
// Executes this program anew, with a chosen set of descriptors and one more environment variable.
#pragma once

#include <spawn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/signal.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// The first word of this program's command line.
inline const std::string& program_name() {
    static const auto& name = *new const std::string([] {  // exit handlers still use it
        std::string first;
        if (std::FILE* const file = std::fopen("/proc/self/cmdline", "re")) {
            for (int c = std::fgetc(file); c != EOF && c != 0; c = std::fgetc(file))
                first.push_back(static_cast<char>(c));
            std::fclose(file);
        }
        return first.empty() ? std::string("/proc/self/exe") : first;
    }());
    return name;
}

/// Executes a program that gets `descriptors` as 3, 4, 5 ... and, beside the standard streams, no
/// other. Its standard input is /dev/null, as are output streams that are closed; signal mask and
/// dispositions are those of the caller, as with exec.
/// @param path the program; /proc/self/exe is this one, also when its file was replaced or deleted
/// @param variable "NAME=value", added to the environment
/// @param mask the signal mask that the program starts with
/// @throws std::system_error when it cannot be executed
inline pid_t execute(const std::string& path, const std::string& variable,
                     std::span<const int> descriptors, const sigset_t& mask) {
    const std::size_t name_size = variable.find('=') + 1;
    std::vector<char*> environment;
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry)
        if (std::strncmp(*entry, variable.c_str(), name_size) != 0)
            environment.push_back(*entry);
    environment.push_back(const_cast<char*>(variable.c_str()));
    environment.push_back(nullptr);
    char* const arguments[] = {const_cast<char*>(program_name().c_str()), nullptr};

    const int first_free = 3 + static_cast<int>(descriptors.size());
    // sources above every target, so that no dup2 overwrites one that is still to come
    std::vector<descriptor> sources;
    for (const int fd : descriptors)
        sources.emplace_back(
            check(::fcntl(fd, F_DUPFD_CLOEXEC, first_free), "fcntl(F_DUPFD_CLOEXEC)"));

    struct actions {
        actions() { posix_spawn_file_actions_init(&value); }
        ~actions() { posix_spawn_file_actions_destroy(&value); }
        posix_spawn_file_actions_t value;
    } actions;
    struct attributes {
        attributes() { posix_spawnattr_init(&value); }
        ~attributes() { posix_spawnattr_destroy(&value); }
        posix_spawnattr_t value;
    } attributes;
    posix_spawn_file_actions_addopen(&actions.value, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(stream, F_GETFD) != 0)  // closed, or would be
            posix_spawn_file_actions_addopen(&actions.value, stream, "/dev/null", O_WRONLY, 0);
    for (std::size_t i = 0; i < sources.size(); ++i)
        posix_spawn_file_actions_adddup2(&actions.value, sources[i].get(), 3 + static_cast<int>(i));
    posix_spawn_file_actions_addclosefrom_np(&actions.value, first_free);
    posix_spawnattr_setflags(&attributes.value, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes.value, &mask);

    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, path.c_str(), &actions.value, &attributes.value,
                                    arguments, environment.data());
    if (error != 0)
        throw_system_error("cannot execute " + path, error);
    return pid;
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
