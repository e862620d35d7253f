// SPDX-License-Identifier: BSL-1.0
// Tells whether this process is a forked copy of the one that an object was made in.
#pragma once

#include <pthread.h>

#include <atomic>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// How often fork() returned in a child on the way from the first process to this one. Cheaper to
/// ask than getpid(), which is a system call.
inline unsigned fork_count() noexcept {
    static std::atomic<unsigned> count{0};
    static const int registered = ::pthread_atfork(nullptr, nullptr, [] { ++count; });
    (void)registered;
    return count.load(std::memory_order_relaxed);
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
