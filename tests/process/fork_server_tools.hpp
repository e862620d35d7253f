// SPDX-License-Identifier: BSL-1.0
// A fork server with a short way to wait for its events, and children that do simple things.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <multiprocessing/process/fork_server.hpp>

#include "process/process_tools.hpp"

namespace process_test {

namespace detail = mp::detail;
using kind = detail::child_event::kind;

inline std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}
inline std::string text_of(const detail::child_setup& setup) {
    return {reinterpret_cast<const char*>(setup.payload.data()), setup.payload.size()};
}

/// The next event within the test's patience; empty when there is none.
inline std::optional<detail::child_event> await_event(detail::fork_server& server) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < end) {
        if (auto event = server.next_event())
            return event;
        readable(server.descriptor(), 1000ms);
    }
    return std::nullopt;
}
/// Skips events until one of this kind comes.
inline detail::child_event await(detail::fork_server& server, kind what) {
    for (;;) {
        auto event = await_event(server);
        REQUIRE(event);
        if (event->what == what)
            return std::move(*event);
    }
}
/// Starts a child and waits until it exists.
inline pid_t start(detail::fork_server& server, std::uint64_t id, detail::child_role role,
                   const std::string& payload = {}) {
    server.start(id, "child-" + std::to_string(id), role, bytes_of(payload), {});
    return await(server, kind::started).pid;
}

// ---- roles; the payload is the path of a file of notes

inline int sleeping_child(detail::child_setup&) {
    sleep_long();
    return 0;
}
inline int noting_child(detail::child_setup& setup) {
    note(text_of(setup), std::to_string(::getpid()));
    sleep_long();
    return 0;
}
/// Has a child of its own in its group, then one in a session of its own; noted in this order.
inline int family_child(detail::child_setup& setup) {
    const std::string file = text_of(setup);
    for (const bool session : {false, true}) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            struct stat file_state = {};
            while (session && ::stat(file.c_str(), &file_state) == 0 && file_state.st_size == 0)
                ::usleep(500);
            if (session)
                ::setsid();
            note(file, std::to_string(::getpid()));
            for (;;)
                ::pause();
        }
    }
    sleep_long();
    return 0;
}

}  // namespace process_test
