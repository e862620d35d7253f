// SPDX-License-Identifier: BSL-1.0
// freeze_support(): where a program that was executed as a child becomes that child.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <multiprocessing/memory/family.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/os/socket.hpp>
#include <multiprocessing/os/wait_set.hpp>
#include <multiprocessing/process/bootstrap.hpp>
#include <multiprocessing/process/child.hpp>
#include <multiprocessing/process/fork_server_main.hpp>
#include <multiprocessing/process/fork_server_protocol.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/process/role_code.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A packet from the parent. Ends this process when the parent is gone.
inline std::size_t await_packet(int socket, int parent, std::span<std::byte> buffer,
                                std::vector<os::descriptor>& descriptors) {
    for (;;) {
        std::array<os::watched, 2> entries{{{socket, false, false}, {parent, false, false}}};
        os::wait_any(std::span(entries), std::chrono::milliseconds(-1));
        const auto size = os::receive_packet(socket, buffer, descriptors);
        if (size && *size > 0)
            return *size;
        if (size || entries[1].ready)
            os::end_process(1);
    }
}

/// The executed program is one Process and not a server: its only request says what to do.
[[noreturn]] inline void be_process(server_setup setup) {
    std::vector<std::byte> buffer(largest_packet);
    std::vector<os::descriptor> descriptors;
    const std::size_t size =
        await_packet(setup.socket.get(), setup.parent.pidfd.get(), buffer, descriptors);
    start_request request =
        read_start_packet(std::span<const std::byte>(buffer).first(size), std::move(descriptors));
    setup.socket.reset();
    enter_child();
    os::set_thread_name(setup.thread_name.c_str());
    const std::string name = request.setup.name;
    request.header.logging().apply();
    leave_child(run_child(name, [&] {
        become_process(name, request.path, false, std::move(setup.parent));
        set_start_method(setup.method, true);
        const child_role role = decode_role(request.header, true);
        os::set_signal_mask(setup.mask);
        return role(request.setup);
    }));
}

/// Says hello, learns what to be, and is it.
[[noreturn]] inline void be_executed_child() {
    server_setup setup;
    setup.socket = os::descriptor(boot_socket);
    setup.parent.pidfd = os::descriptor(boot_parent);
    waiting_packet hello;
    wire_hello greeting;
    greeting.digest = program_fingerprint();
    append_wire(hello.bytes, greeting);
    hello.send(setup.socket.get());

    std::vector<std::byte> buffer(largest_packet);
    std::vector<os::descriptor> none;
    const std::size_t size =
        await_packet(setup.socket.get(), setup.parent.pidfd.get(), buffer, none);
    input_cursor cursor(std::span<const std::byte>(buffer).first(size));
    const auto boot = cursor.read_value<wire_boot>();
    if (boot.magic != wire_magic || boot.digest != program_fingerprint())
        os::end_process(1);  // the parent says why
    this_family() = boot.family;
    setup.parent.pid = boot.parent;
    setup.parent.name = take_string(cursor, boot.parent_name_size);
    setup.thread_name = take_string(cursor, boot.thread_name_size);
    setup.method = boot.method;
    setup.mask = boot.mask;
    setup.executed = true;
    setup.hosts_processes = boot.hosts_processes != 0;
    if (boot.mode == boot_mode::server)
        fork_server_main::run(std::move(setup));
    be_process(std::move(setup));
}

}  // namespace detail

/// Turns this process into the child that it was executed as, and returns in every other process.
/// Must be the first statement of main in programs that use spawn or forkserver.
/// @note In a child it never returns: the process ends with the work it was started for.
/// @par Python `multiprocessing.freeze_support`, which on Linux is needed by nobody: Python imports
///     the main module again under another name
inline void freeze_support() {
    if (!detail::boot_pending.exchange(false)) [[likely]]
        return;
    try {
        detail::be_executed_child();
    } catch (...) {
        os::print_error("multiprocessing: a child process could not begin: " +
                        detail::describe_exception() + "\n");
    }
    os::end_process(1);
}

}  // namespace v0
}  // namespace multiprocessing
