// SPDX-License-Identifier: BSL-1.0
// The id of the calling thread, and whether a thread is one of this process.
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <multiprocessing/os/fork_count.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// The kernel's id of the calling thread, without a system call after the first time: a fork is
/// noticed, the child's thread has another one.
inline pid_t thread_id() noexcept {
    struct known {
        pid_t id = 0;
        unsigned forks = 0;
    };
    static thread_local known cache;
    const unsigned forks = fork_count();
    if (cache.id == 0 || cache.forks != forks) [[unlikely]]
        cache = {::gettid(), forks};
    return cache.id;
}

inline bool is_thread_of_this_process(pid_t thread) noexcept {
    return ::syscall(SYS_tgkill, ::getpid(), thread, 0) == 0;
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
