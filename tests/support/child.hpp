// SPDX-License-Identifier: BSL-1.0
// Forks a child for a test, without the library.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <iostream>
#include <system_error>
#include <type_traits>

namespace test_support {

/// The exit status of a child whose body threw.
inline constexpr int body_threw = 99;

/// Forks a child that runs `body` and ends with the status that it returns, if any, or with
/// body_threw. It dies with the thread that forked it. No test macro may be used in the body.
template <class Body>
pid_t fork_child(Body body) {
    std::cout.flush();
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0)
        throw std::system_error(errno, std::generic_category(), "fork");
    if (pid > 0)
        return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = 0;
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Body&>>)
            body();
        else
            status = body();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "child: %s\n", error.what());
        status = body_threw;
    } catch (...) {
        status = body_threw;
    }
    ::_exit(status);
}

/// Waits for the end of a child. @returns its exit status, or minus the signal that ended it
inline int end_of(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) != pid) {
        if (errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "waitpid");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace test_support
