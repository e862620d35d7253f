// SPDX-License-Identifier: BSL-1.0
// The warning that a process with threads gets when it forks.
#pragma once

#include <atomic>
#include <string>

#include <multiprocessing/core/logging.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/process/identity.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The thread that ThreadSanitizer keeps in every process.
#if defined(__SANITIZE_THREAD__)
inline constexpr int sanitizer_threads = 1;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr int sanitizer_threads = 1;
#else
inline constexpr int sanitizer_threads = 0;
#endif
#else
inline constexpr int sanitizer_threads = 0;
#endif

/// Warns, once in a process, when threads that are not the library's run beside the one that is
/// about to fork: a lock that one of them holds stays locked in the child for ever.
/// @par Python DeprecationWarning since 3.12
inline void warn_about_threads() {
    static std::atomic<bool> warned{false};
    if (warned.load(std::memory_order_relaxed))
        return;
    const int others = os::count_threads() - 1 - library_threads().load() - sanitizer_threads;
    if (others > 0 && !warned.exchange(true))
        get_logger().warning("multiprocessing: process " + std::to_string(os::process_id()) +
                             " runs " + std::to_string(others) +
                             " other thread(s): fork may lead to deadlocks in the child");
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
