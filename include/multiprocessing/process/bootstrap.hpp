// SPDX-License-Identifier: BSL-1.0
// Executing this program anew, and the moment in which the new program learns what it is to be.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/family.hpp>
#include <multiprocessing/os/execute.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/os/socket.hpp>
#include <multiprocessing/os/wait_set.hpp>
#include <multiprocessing/process/child.hpp>
#include <multiprocessing/process/fork_server_protocol.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/process/role_code.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

inline constexpr const char* freeze_support_text =
    "freeze_support() must be the first statement of main()";
inline constexpr const char* boot_variable = "MULTIPROCESSING_CHILD";
inline constexpr int boot_socket = 3;
inline constexpr int boot_parent = 4;

/// Whether this process was executed by the library. The variable is gone before main begins, so
/// that no program which main starts without freeze_support() takes itself for a child.
inline bool take_boot_variable() noexcept {
    try {
        const auto value = os::take_variable(boot_variable);
        if (!value || *value != "1" || !os::is_packet_socket(boot_socket))
            return false;
        os::close_on_exec(boot_socket);
        os::close_on_exec(boot_parent);
        return true;
    } catch (...) {
        return false;
    }
}
inline std::atomic<bool> boot_pending{take_boot_variable()};

/// Every call that starts processes begins with this: a child whose main lacks freeze_support()
/// ends here and starts nothing.
inline void require_freeze_support_done() noexcept {
    if (boot_pending.load()) [[unlikely]] {
        os::print_error(std::string(freeze_support_text) + "\n");
        os::end_process(1);
    }
}

/// The program that spawn and forkserver execute.
struct executable_path {
    std::mutex mutex;
    std::string path = "/proc/self/exe";  // works when the file was replaced or deleted

    static executable_path& instance() {
        static auto& object = *new executable_path;
        return object;
    }
    std::string get() {
        const std::scoped_lock lock(mutex);
        return path;
    }
};

/// A program that was executed and has said hello.
struct executed_program {
    pid_t pid = -1;
    os::descriptor pidfd;
    os::descriptor socket;

    executed_program() = default;
    executed_program(executed_program&&) = default;
    executed_program& operator=(executed_program&&) = default;
    ~executed_program() {
        if (pidfd)  // the owner has not taken it over: something failed
            end();
    }
    /// Kills the program and reaps it.
    void end() noexcept {
        os::signal_process(pidfd.get(), SIGKILL);
        os::wait_for_end(pidfd.get(), std::chrono::seconds(2));
        os::try_reap(pidfd.get());
        pidfd.reset();
    }
};

/// Waits until the program says hello.
/// @throws ProcessError when it ends first, says nothing for half a minute or is another program
inline void expect_hello(executed_program& program) {
    const Deadline deadline(std::chrono::seconds(30));
    std::array<std::byte, 64> buffer{};
    std::vector<os::descriptor> none;
    for (;;) {
        std::array<os::watched, 2> entries{
            {{program.socket.get(), false, false}, {program.pidfd.get(), false, false}}};
        os::wait_any(std::span(entries), wait_slice);
        const auto size = os::receive_packet(program.socket.get(), buffer, none);
        if (size == sizeof(wire_hello)) {
            const auto hello = input_cursor(buffer).read_value<wire_hello>();
            if (hello.magic != wire_magic || hello.digest != program_fingerprint())
                throw ProcessError(
                    "the program that was executed is not the one that executed it: its file has "
                    "been replaced, or set_executable() names another one");
            return;
        }
        if (size || entries[1].ready)
            throw ProcessError(std::string("the program ended before it became a child process: ") +
                               freeze_support_text);
        if (deadline.expired())
            throw ProcessError(
                std::string("the program did not become a child process within 30 s: ") +
                freeze_support_text);
        check_interrupt();
    }
}

/// Executes this program anew and tells it what it is to be.
/// @param parent a descriptor of the process that the new program serves
/// @throws ProcessError where main lacks freeze_support()
inline executed_program execute_program(boot_mode mode, StartMethod method,
                                        const os::descriptor& parent, bool hosts_processes) {
    auto [ours, theirs] = os::packet_pair();
    executed_program program;
    program.socket = std::move(ours);
    wire_boot boot;
    boot.digest = program_fingerprint();
    boot.mode = mode;
    boot.method = method;
    boot.parent = os::process_id();
    boot.hosts_processes = hosts_processes ? 1 : 0;
    boot.family = this_family();
    const std::string& parent_name = this_process().name;
    const std::string thread_name = os::get_thread_name();
    boot.parent_name_size = static_cast<std::uint32_t>(parent_name.size());
    boot.thread_name_size = static_cast<std::uint32_t>(thread_name.size());
    flush_standard_streams();
    {
        // the program starts with all signals blocked: a Ctrl-C before it is ready must not end it
        const os::blocked_signals blocked;
        boot.mask = blocked.application();
        const std::array<int, 2> descriptors{theirs.get(), parent.get()};
        program.pid =
            os::execute(executable_path::instance().get(), std::string(boot_variable) + "=1",
                        descriptors, os::asynchronous_signals());
        program.pidfd = os::open_child(program.pid);
    }
    theirs.reset();
    waiting_packet packet;
    append_wire(packet.bytes, boot);
    append_wire(packet.bytes, parent_name);
    append_wire(packet.bytes, thread_name);
    packet.send(program.socket.get());  // a program that has ended already shows in expect_hello
    expect_hello(program);
    return program;
}

}  // namespace detail

/// Sets the program that spawn and forkserver execute; by default it is this one.
/// @param path a program that is built from the same binary: anything else fails in the handshake
/// @par Python `multiprocessing.set_executable`
inline void set_executable(std::string path) {
    auto& state = detail::executable_path::instance();
    const std::scoped_lock lock(state.mutex);
    state.path = std::move(path);
}

}  // namespace v0
}  // namespace multiprocessing
