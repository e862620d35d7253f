// SPDX-License-Identifier: BSL-1.0
// The version macros and the options that a user may set before the first include.
#pragma once

#define MULTIPROCESSING_VERSION_MAJOR 0
#define MULTIPROCESSING_VERSION_MINOR 1
#define MULTIPROCESSING_VERSION_PATCH 0

#if !defined(__linux__)
#error \
    "multiprocessing needs Linux 5.9 or later: memfd, pidfd, eventfd, close_range, robust mutexes"
#endif
