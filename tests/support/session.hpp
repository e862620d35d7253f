// SPDX-License-Identifier: BSL-1.0
// The run of a test program: Catch2's session, and what is checked around every test case.
#pragma once

#include <chrono>

namespace test_support {

/// How long a test case may take when it sets no deadline of its own.
inline constexpr std::chrono::seconds case_limit{120};

/// Runs the test cases that the command line asks for.
/// @param tidy_up called after every case, before the check for what it left behind: ends what the
///     library keeps on purpose for the next use; may be null
/// @returns 0 when all cases passed and none left a child, a descriptor, a thread or a shared
///     memory object behind
int run_tests(int argc, char** argv, void (*tidy_up)());

}  // namespace test_support
