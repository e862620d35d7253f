// SPDX-License-Identifier: BSL-1.0
// Signals: masks, dispositions, and a descriptor from which blocked signals are read.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include <cstring>
#include <initializer_list>

#include <multiprocessing/os/descriptor.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// What a process does about one signal.
using disposition = struct ::sigaction;

inline disposition get_disposition(int signal) noexcept {
    disposition old{};
    ::sigaction(signal, nullptr, &old);
    return old;
}
inline void set_disposition(int signal, const disposition& action) noexcept {
    ::sigaction(signal, &action, nullptr);
}
/// @param handler SIG_DFL, SIG_IGN or a function, which runs with no other signal blocked
inline void set_handler(int signal, void (*handler)(int), int flags = 0) noexcept {
    disposition action{};
    action.sa_handler = handler;
    action.sa_flags = flags;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
}
inline bool is_ignored(int signal) noexcept {
    return get_disposition(signal).sa_handler == SIG_IGN;
}

/// Every signal but those that a fault of the thread itself raises.
inline sigset_t asynchronous_signals() noexcept {
    sigset_t set;
    ::sigfillset(&set);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS})
        ::sigdelset(&set, fault);
    return set;
}

namespace detail {
/// In a thread of the library: what the application blocked where the thread was made.
struct application_mask {
    bool known = false;
    sigset_t mask{};
};
inline thread_local application_mask mask_of_application;
}  // namespace detail

/// From now on the thread's mask is what it passes on to processes that it starts.
inline void set_signal_mask(const sigset_t& mask) noexcept {
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    detail::mask_of_application.known = false;
}
/// For a thread of the library, which blocks all signals: code of the application that it calls
/// starts processes with this mask.
inline void keep_application_mask(const sigset_t& mask) noexcept {
    detail::mask_of_application = {true, mask};
}
inline sigset_t get_signal_mask() noexcept {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return mask;
}
inline void unblock_signal(int signal) noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, signal);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

/// Blocks all asynchronous signals in the calling thread while it lives.
class blocked_signals {
  public:
    blocked_signals() noexcept {
        const sigset_t set = asynchronous_signals();
        ::pthread_sigmask(SIG_SETMASK, &set, &saved_);
        application_ = saved_;
        // what the application unblocked meanwhile in a thread of the library stays unblocked
        if (detail::mask_of_application.known)
            ::sigandset(&application_, &saved_, &detail::mask_of_application.mask);
    }
    blocked_signals(const blocked_signals&) = delete;
    blocked_signals& operator=(const blocked_signals&) = delete;
    ~blocked_signals() { ::pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }

    /// The mask before; in a thread of the library, what the application blocks. Processes and
    /// threads that are started get it.
    [[nodiscard]] const sigset_t& application() const noexcept { return application_; }

  private:
    sigset_t saved_{};  // the kernel fills in its own part alone
    sigset_t application_{};
};

/// Reads signals that the process blocks.
class signal_reader {
  public:
    signal_reader(std::initializer_list<int> signals) {
        sigset_t set;
        ::sigemptyset(&set);
        for (const int signal : signals)
            ::sigaddset(&set, signal);
        fd_ = new_descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
    }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// @returns the next signal, or 0
    [[nodiscard]] int next() const noexcept {
        signalfd_siginfo info;
        const auto got = retry([&] { return ::read(fd_.get(), &info, sizeof info); });
        return got == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo) : 0;
    }
    void close() noexcept { fd_.reset(); }

  private:
    descriptor fd_;
};

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
