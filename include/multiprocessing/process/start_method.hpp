// SPDX-License-Identifier: BSL-1.0
// The three ways to start a process, and the one that is used where none is named.
#pragma once

#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace multiprocessing {
inline namespace v0 {

/// How a process comes into being.
/// - fork: a copy of this process, with all its memory; needs nothing, but must not be used while
///   other threads hold locks that the child needs
/// - spawn: this program, executed anew; `freeze_support()` must be the first statement of main
/// - forkserver: forked by a single-threaded server that was itself executed anew
enum class StartMethod { fork, spawn, forkserver };

/// @returns "fork", "spawn" or "forkserver", as Python names them
[[nodiscard]] inline std::string to_string(StartMethod method) {
    switch (method) {
        case StartMethod::spawn:
            return "spawn";
        case StartMethod::forkserver:
            return "forkserver";
        case StartMethod::fork:
            break;
    }
    return "fork";
}

namespace detail {

inline constexpr int no_start_method = -1;
/// The default start method of this process, once it is fixed. Children inherit it. Without a lock:
/// a child that is forked while another thread holds one would wait for it for ever.
inline std::atomic<int> default_start_method{no_start_method};

}  // namespace detail

/// Sets the start method of everything that does not name its own.
/// @param force replaces a method that is already fixed
/// @throws std::runtime_error when the method is already fixed: it can be set once, before it is
///     used
/// @par Python `multiprocessing.set_start_method`; its RuntimeError is std::runtime_error
inline void set_start_method(StartMethod method, bool force = false) {
    const auto wanted = static_cast<int>(method);
    int before = detail::no_start_method;
    if (force)
        detail::default_start_method = wanted;
    else if (!detail::default_start_method.compare_exchange_strong(before, wanted))
        throw std::runtime_error("set_start_method: the start method has already been set");
}

/// Returns the start method of everything that does not name its own, and fixes it.
[[nodiscard]] inline StartMethod get_start_method() {
    int before = detail::no_start_method;
    const bool fixed_now = detail::default_start_method.compare_exchange_strong(
        before, static_cast<int>(StartMethod::fork));
    return fixed_now ? StartMethod::fork : static_cast<StartMethod>(before);
}

namespace detail {
/// @returns what was named; else the default, which is fixed only then
[[nodiscard]] inline StartMethod named_or_default(const std::optional<StartMethod>& named) {
    return named ? *named : get_start_method();
}
}  // namespace detail

/// @returns all start methods, the default first
[[nodiscard]] inline std::vector<StartMethod> get_all_start_methods() {
    return {StartMethod::fork, StartMethod::spawn, StartMethod::forkserver};
}

}  // namespace v0
}  // namespace multiprocessing
