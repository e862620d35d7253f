// SPDX-License-Identifier: BSL-1.0
// The ids of this process.
#pragma once

#include <sys/types.h>
#include <unistd.h>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// Never cached: a forked child has another.
inline pid_t process_id() noexcept {
    return ::getpid();
}

/// The effective user.
inline uid_t user_id() noexcept {
    return ::geteuid();
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
