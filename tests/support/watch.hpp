// SPDX-License-Identifier: BSL-1.0
// What stands at the beginning of a test case that starts processes.
#pragma once

#include <chrono>
#include <csignal>

#include "support/deadline.hpp"
#include "support/process.hpp"

namespace test_support {

/// Ends the program, naming the test, when what follows in the scope does not end in time. It also
/// removes Catch2's signal handlers for the rest of the case: processes that are forked would
/// inherit them and report their own deaths as the test's.
class Watch {
  public:
    explicit Watch(std::chrono::seconds limit = 3 * patience) : deadline_(limit) {
        for (const int number : {SIGINT, SIGILL, SIGFPE, SIGSEGV, SIGTERM, SIGABRT})
            std::signal(number, SIG_DFL);
    }

  private:
    deadline deadline_;
};

}  // namespace test_support
