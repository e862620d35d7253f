// SPDX-License-Identifier: BSL-1.0
// What the system grants one process.
#pragma once

#include <sys/resource.h>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// Lets this process have as many descriptors open as it may without asking anybody.
inline void raise_descriptor_limit() noexcept {
    ::rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
