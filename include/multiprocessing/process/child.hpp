// SPDX-License-Identifier: BSL-1.0
// What every child process does at its start and at its end, however it was started.
#pragma once

#include <cxxabi.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <typeinfo>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/logging.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/signal.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Writes what the standard streams hold, so that a forked child does not write it a second time.
/// @note Only those: other FILEs are left alone, as in Python, because a thread that waits for
///     input holds its FILE locked.
inline void flush_standard_streams() {
    std::cout.flush();
    std::clog.flush();
    std::fflush(stdout);
    std::fflush(stderr);
}

/// "Type: text" of the exception that is being handled.
inline std::string describe_exception() {
    const std::type_info* const type = abi::__cxa_current_exception_type();
    std::string name = "unknown exception";
    if (type != nullptr) {
        int status = 0;
        const std::unique_ptr<char, void (*)(void*)> readable(
            abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), std::free);
        name = readable != nullptr ? readable.get() : type->name();
        const std::string inline_namespace = "multiprocessing::v0::";
        if (const auto at = name.find(inline_namespace); at != std::string::npos)
            name.replace(at, inline_namespace.size(), "multiprocessing::");
    }
    try {
        throw;
    } catch (const std::exception& error) {
        return name + ": " + error.what();
    } catch (const RemoteException& error) {
        return name + ": " + error.what();
    } catch (const std::string& text) {
        return "std::string: " + text;
    } catch (const char* text) {
        return name + ": " + text;
    } catch (...) {
        return name;
    }
}

/// Runs what a child is for. An exception that leaves it is printed.
/// @returns the exit status: that of `body`, or 1 after an exception
/// @note Catches what glibc throws to cancel a thread, too: the child's only thread ends with it.
template <class Body>
int run_child(const std::string& name, Body&& body) noexcept {
    try {
        return body();
    } catch (...) {
        try {
            flush_standard_streams();
            os::print_error("Process " + name + ":\n" + describe_exception() + "\n");
        } catch (...) {
            os::print_error("Process: an exception without a text\n");
        }
        return 1;
    }
}

/// Set where processes are started: ends the children of the calling process, as exit does.
inline std::atomic<void (*)()> end_own_children{nullptr};

[[noreturn]] inline void end_child(int status) noexcept {
    try {
        get_logger().info("process exits with exit code " + std::to_string(status));
        if (const auto end = end_own_children.load())
            end();
        flush_standard_streams();
    } catch (...) {
        os::print_error("Process: cannot flush the standard streams\n");
    }
    os::end_process(status);
}

/// The first thing in every child: it has exit stop before the handlers and the static objects that
/// are the parent's, whose destructors would wait for threads that are not here.
inline void enter_child() noexcept {
    os::at_exit_first([](int status, void*) { end_child(status); });
}

/// The end of every child: runs the exit handlers that the child itself registered and destroys the
/// static objects that it made, ends its own children, flushes, ends.
/// @note exit first destroys the thread's thread_local objects, in a forked child those that it
///     inherited, too. In another thread exit would spare them, but also those of the child's own.
[[noreturn]] inline void leave_child(int status) noexcept {
    std::exit(status);
}

/// What SIGINT did before the first InterruptGuard; meaningful while one lives.
struct interrupt_state {
    std::atomic<int> guards{0};
    os::disposition before{};

    static interrupt_state& instance() {
        static auto& object = *new interrupt_state;
        return object;
    }
};

/// A forked child has no InterruptGuard: SIGINT does what it did before.
inline void forget_interrupt_guards() noexcept {
    interrupt_state& state = interrupt_state::instance();
    if (state.guards.exchange(0) > 0)
        os::set_disposition(SIGINT, state.before);
    interrupt_pending = false;
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
