// SPDX-License-Identifier: BSL-1.0
// A deadline that ends the whole program: a test that blocks is reported by name and never hangs.
#pragma once

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <csignal>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace test_support {

/// The test case that runs, as the listener of the test programs says.
inline std::string& current_case() {
    static std::string name = "a test";
    return name;
}

/// Ends the program with SIGABRT, naming what took too long, unless it is destroyed in time.
/// @note It uses a timer and a real-time signal, no thread: processes are forked from a program
///     without threads, and SIGALRM stays free. Forked children have no deadline. They nest: while
///     an inner one lives, which may be the longer one, the time of the outer one stands still.
class deadline {
  public:
    /// @param limit from now
    /// @param name what must end in time, as the message calls it; cut at 300 characters
    explicit deadline(std::chrono::milliseconds limit, std::string_view name = current_case()) {
        std::snprintf(text_, sizeof text_, "\ndeadline of %lld ms passed in: %.*s\n",
                      static_cast<long long>(limit.count()),
                      static_cast<int>(name.size() < 300 ? name.size() : 300), name.data());
        struct sigaction action = {};
        action.sa_flags = SA_SIGINFO;
        action.sa_sigaction = [](int, siginfo_t* info, void*) {
            const auto* text = static_cast<const char*>(info->si_value.sival_ptr);
            [[maybe_unused]] const auto written = ::write(2, text, std::strlen(text));
            std::signal(SIGABRT, SIG_DFL);  // Catch2 would report, which is not safe in here
            std::abort();
        };
        ::sigaction(signal_number(), &action, nullptr);

        sigevent event = {};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = signal_number();
        event.sigev_value.sival_ptr = text_;
        if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0)
            throw std::system_error(errno, std::generic_category(), "timer_create");
        outer_ = std::exchange(innermost(), this);
        if (outer_ != nullptr)
            ::timer_settime(outer_->timer_, 0, &stopped, &outer_->left_);
        left_.it_value.tv_sec = limit.count() / 1000;
        left_.it_value.tv_nsec = limit.count() % 1000 * 1'000'000;
        ::timer_settime(timer_, 0, &left_, nullptr);
    }
    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;
    ~deadline() {
        ::timer_delete(timer_);
        innermost() = outer_;
        if (outer_ != nullptr)
            ::timer_settime(outer_->timer_, 0, &outer_->left_, nullptr);
    }

  private:
    static constexpr itimerspec stopped = {};

    static deadline*& innermost() {
        static deadline* object = nullptr;
        return object;
    }
    static int signal_number() { return SIGRTMAX - 4; }

    timer_t timer_ = {};
    itimerspec left_ = {};  // when it was stopped
    deadline* outer_ = nullptr;
    char text_[400];
};

}  // namespace test_support
