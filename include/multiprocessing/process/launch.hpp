// SPDX-License-Identifier: BSL-1.0
// Starting one Process by each of the three start methods.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/memory/family.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/process/bootstrap.hpp>
#include <multiprocessing/process/child.hpp>
#include <multiprocessing/process/child_list.hpp>
#include <multiprocessing/process/fork_server_protocol.hpp>
#include <multiprocessing/process/fork_warning.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/process/process_server.hpp>
#include <multiprocessing/process/process_state.hpp>
#include <multiprocessing/process/role_code.hpp>
#include <multiprocessing/process/start_method.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What is known of a Process before it starts.
struct process_plan {
    std::string name;
    std::string path;
    bool daemon = false;
    StartMethod method = StartMethod::fork;
};

/// Forks the calling process; the child calls `body` and ends with what it returns.
template <class Body>
std::shared_ptr<process_state> launch_forked(const process_plan& plan, Body&& body) {
    child_list& children = child_list::instance();
    std::shared_ptr<life_line> line;
    os::descriptor life;  // of our own: the child closes the line itself
    if (plan.daemon) {
        line = children.life();
        life = os::duplicate(line->reader.get());
    }
    this_family();  // founded here, else by the child for itself
    const pid_t self = os::process_id();
    os::descriptor parent = os::open_process(self);
    const std::string parent_name = this_process().name;
    warn_about_threads();
    flush_standard_streams();
    os::descriptor pidfd;
    pid_t pid = -1;
    {
        // blocked: no handler of the application runs in the child before it is another process
        const os::blocked_signals blocked;
        pid = os::fork_process();
        if (pid == 0) {
            enter_child();
            os::descriptor guard;
            if (plan.daemon)
                guard = os::die_with_writer(life.get(), os::victim::process);
            leave_child(run_child(plan.name, [&] {
                life.reset();
                forget_interrupt_guards();
                os::detach_standard_input();
                become_process(plan.name, plan.path, plan.daemon,
                               {self, parent_name, std::move(parent)});
                set_start_method(StartMethod::fork, true);
                os::set_signal_mask(blocked.application());
                return body();
            }));
        }
        pidfd = os::open_child(pid);
    }
    return std::make_shared<process_state>(plan.name, plan.daemon, pid, std::move(pidfd), nullptr,
                                           std::move(line));
}

/// Executes this program anew; it calls `role` with the payload.
inline std::shared_ptr<process_state> launch_spawned(const process_plan& plan, child_role role,
                                                     std::span<const std::byte> payload) {
    std::shared_ptr<life_line> line;
    if (plan.daemon)
        line = child_list::instance().life();
    const int reader = line ? line->reader.get() : -1;
    wire_request header;
    encode_role(header, role, true);
    const waiting_packet packet =
        make_start_packet(header, plan.name, plan.path, payload,
                          std::span(&reader, line ? std::size_t{1} : std::size_t{0}));
    executed_program program =
        execute_program(boot_mode::process, plan.method, os::open_process(os::process_id()), false);
    if (packet.send(program.socket.get()) != os::send_result::sent)
        throw ProcessError("process " + plan.name + " ended before it could be told what to do");
    return std::make_shared<process_state>(plan.name, plan.daemon, program.pid,
                                           std::move(program.pidfd), nullptr, std::move(line));
}

/// Has the fork server fork; the child calls `role` with the payload.
inline std::shared_ptr<process_state> launch_served(const process_plan& plan, child_role role,
                                                    std::span<const std::byte> payload) {
    const std::uint32_t flags = plan.daemon ? plain_process : plain_process | survives_server;
    const auto report =
        process_server::instance().start(plan.name, plan.path, role, payload, flags);
    return std::make_shared<process_state>(plan.name, plan.daemon, report->pid,
                                           std::move(report->pidfd), report);
}

/// The first bytes of every payload; the function and its arguments follow.
inline void write_payload_header(output_buffer& out, const process_plan& plan) {
    out.append_value(static_cast<std::uint8_t>(plan.daemon ? 1 : 0));
}
/// What a child that was not forked by its parent does before its function begins.
inline void begin_process(child_setup& setup, input_cursor& in) {
    this_process().daemon = in.read_value<std::uint8_t>() != 0;
    static os::descriptor guard;
    if (!setup.descriptors.empty())
        guard = os::die_with_writer(setup.descriptors.front().get(), os::victim::process);
    setup.descriptors.clear();
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
