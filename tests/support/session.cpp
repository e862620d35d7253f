// SPDX-License-Identifier: BSL-1.0
// Catch2's runner, compiled once, and the listener that checks what a test case leaves behind.
// A forked child inherits handlers, and Catch2's would report a failure of the test in it.
#define CATCH_CONFIG_NO_POSIX_SIGNALS
#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"

#include "support/session.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "support/deadline.hpp"
#include "support/leaks.hpp"
#include "support/sanitized.hpp"

#if TEST_THREAD_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

namespace {

/// What the thread sanitizer starts when it first needs it, a thread and a process that finds the
/// names of functions, is there before anything is counted.
void start_helpers_of_sanitizer() {
    std::thread([] {}).join();
#if TEST_THREAD_SANITIZER
    char name[64];
    __sanitizer_symbolize_pc(reinterpret_cast<void*>(&start_helpers_of_sanitizer), "%f", name,
                             sizeof name);
    test_support::helper_processes() = test_support::children();
#endif
}

void (*tidy_up)() = nullptr;
int untidy_cases = 0;

#if MULTIPROCESSING_CATCH2_VERSION == 3
using listener_base = Catch::EventListenerBase;
#else
using listener_base = Catch::TestEventListenerBase;
#endif

/// Compares what the process owns before and after every test case.
class leak_listener : public listener_base {
  public:
    using listener_base::listener_base;

    void testCaseStarting(const Catch::TestCaseInfo& info) override {
        listener_base::testCaseStarting(info);
        test_support::current_case() = info.name;
        deadline_ = std::make_unique<test_support::deadline>(test_support::case_limit, info.name);
        before_ = test_support::holdings::now();
    }

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        if (tidy_up != nullptr)
            tidy_up();
        const std::string left = test_support::wait_for_tidiness(before_);
        if (!left.empty()) {
            ++untidy_cases;
            // or they would hold the output open and CTest would wait for them
            for (const pid_t child : test_support::children()) {
                if (!before_.children.contains(child)) {
                    ::kill(child, SIGKILL);
                    ::waitpid(child, nullptr, 0);
                }
            }
            std::fprintf(stderr, "\nLEFT BEHIND by \"%s\":\n%s\n",
                         std::string(stats
                                         .testInfo
#if MULTIPROCESSING_CATCH2_VERSION == 3
                                         ->name
#else
                                         .name
#endif
                                     )
                             .c_str(),
                         left.c_str());
        }
        deadline_.reset();
        listener_base::testCaseEnded(stats);
    }

  private:
    std::unique_ptr<test_support::deadline> deadline_;
    test_support::holdings before_;
};

CATCH_REGISTER_LISTENER(leak_listener)

}  // namespace

int test_support::run_tests(int argc, char** argv, void (*tidy)()) {
    tidy_up = tidy;
    start_helpers_of_sanitizer();
    const int result = Catch::Session().run(argc, argv);
    if (untidy_cases == 0)
        return result;
    std::fprintf(stderr, "%d test case(s) left something behind\n", untidy_cases);
    return result != 0 ? result : 1;
}
