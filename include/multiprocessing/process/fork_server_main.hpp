// SPDX-License-Identifier: BSL-1.0
// The server process: one thread that forks children, watches them, and ends them with itself.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <deque>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/family.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/os/socket.hpp>
#include <multiprocessing/os/wait_set.hpp>
#include <multiprocessing/process/child.hpp>
#include <multiprocessing/process/fork_server_protocol.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/process/role_code.hpp>
#include <multiprocessing/process/start_method.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What the server process is given.
struct server_setup {
    os::descriptor socket;
    parent_identity parent;
    StartMethod method = StartMethod::fork;
    sigset_t mask{};               ///< what its children start with
    bool executed = false;         ///< roles are names of functions and not addresses
    bool hosts_processes = false;  ///< children are Processes: leave their orphans alone
    void* inherited = nullptr;
    std::string thread_name;  ///< what its children show in ps
};

class fork_server_main {
  public:
    /// Runs the server; never returns, in the server or in a child.
    [[noreturn]] static void run(server_setup setup) noexcept {
        try {
            fork_server_main server(std::move(setup));
            server.serve();
        } catch (...) {
            os::print_error("multiprocessing: the fork server failed: " + describe_exception() +
                            "\n");
        }
        os::end_process(1);
    }

  private:
    struct child {
        std::uint64_t id;
        pid_t pid;
        std::uint32_t flags;
        [[nodiscard]] bool has_group() const noexcept { return (flags & plain_process) == 0; }
        [[nodiscard]] bool dies() const noexcept { return (flags & survives_server) == 0; }
    };
    using clock = std::chrono::steady_clock;

    // All signals are blocked, so the terminal and the application's handlers do not reach the
    // server; what it must know it reads.
    explicit fork_server_main(server_setup setup)
        : setup_(std::move(setup)),
          self_(os::process_id()),
          child_disposition_(os::get_disposition(SIGCHLD)),
          signals_({SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU}) {
        os::set_signal_mask(os::asynchronous_signals());
        os::set_handler(SIGCHLD, SIG_DFL);
        // stopped by SIGSTOP, it would not see its parent end; it goes on then, and ends everything
        os::signal_at_end_of_parent_thread(SIGCONT);
        if (!setup_.hosts_processes)
            os::become_subreaper();
        os::set_thread_name("mp-fork-server");
        os::detach_standard_input();
        std::tie(life_, writer_) = os::life_pipe();
        buffer_.resize(largest_packet);
    }

    [[noreturn]] void serve() {
        for (;;) {
            std::array<os::watched, 3> entries{{{setup_.socket.get(), !events_.empty(), false},
                                                {setup_.parent.pidfd.get(), false, false},
                                                {signals_.fd(), false, false}}};
            os::wait_any(std::span(entries), patience());
            if (entries[1].ready)
                end();
            if (entries[2].ready)
                read_signals();
            if (watches_stops())
                follow_parent();
            send_events();
            if (entries[0].ready)
                receive();
            if (orphans_wanted_ && clock::now() >= next_search_)
                kill_orphans();
        }
    }

    [[nodiscard]] std::chrono::milliseconds patience() const noexcept {
        if (orphans_wanted_ || clock::now() < stop_due_until_)
            return std::chrono::milliseconds(20);
        return std::chrono::milliseconds(stopped_ ? 50 : -1);
    }

    // -- the parent's requests ---------------------------------------------------------------

    void receive() {
        std::vector<os::descriptor> descriptors;
        bool lost = false;
        const auto size = os::receive_packet(setup_.socket.get(), buffer_, descriptors, &lost);
        if (!size)
            return;
        if (*size == 0)
            end();
        const std::span<const std::byte> packet(buffer_.data(), *size);
        const auto header = input_cursor(packet).read_value<wire_request>();
        if (lost)
            report({2, 0, header.id, 0, EMFILE}, {});
        else if (header.kind == request_kind::start)
            start(read_start_packet(packet, std::move(descriptors)));
        else if (header.kind == request_kind::signal)
            signal(header.id, header.signal);
    }

    void start(start_request request) {
        pid_t pid = -1;
        try {
            pid = os::fork_process();
        } catch (const std::system_error& error) {
            report({2, 0, request.header.id, 0, error.code().value()}, {});
            return;
        }
        if (pid == 0)
            be_child(std::move(request));
        const child born{request.header.id, pid, request.header.flags};
        if (born.has_group())
            os::make_group(pid);
        children_.push_back(born);
        if (stopped_ && born.has_group())
            signal(born, SIGSTOP);
        os::descriptor pidfd;
        try {
            if (!born.has_group())
                pidfd = os::open_process(pid);
        } catch (const std::system_error&) {
            // no descriptor left: the parent opens it, or gives the child up
        }
        report({0, pid, born.id, 0, 0}, std::move(pidfd));
    }

    void signal(std::uint64_t id, int number) noexcept {
        for (const child& one : children_)
            if (one.id == id)
                signal(one, number);
    }
    /// Signals its whole group, and the child itself, which may have left that.
    static void signal(const child& one, int number) noexcept {
        if (one.has_group())
            os::signal_group(one.pid, number);
        if (!one.has_group() || os::group_of(one.pid) != one.pid)
            os::signal_pid(one.pid, number);
    }

    // -- the forked child --------------------------------------------------------------------

    [[noreturn]] void be_child(start_request request) noexcept {
        const child self{request.header.id, os::process_id(), request.header.flags};
        enter_child();
        os::descriptor guard;
        if (self.has_group())
            os::make_group(0);
        if (self.dies()) {
            os::signal_at_end_of_parent_thread(SIGKILL);
            if (os::parent_id() != self_)
                os::end_process(1);
            writer_.reset();
            guard = os::die_with_writer(life_.get(),
                                        self.has_group() ? os::victim::group : os::victim::process);
        }
        writer_.reset();
        life_.reset();
        signals_.close();
        setup_.socket.reset();
        events_.clear();
        os::set_disposition(SIGCHLD, child_disposition_);
        forget_interrupt_guards();
        if (self.has_group()) {
            os::set_handler(SIGINT, SIG_IGN);
            os::set_handler(SIGTTIN, SIG_IGN);
            os::set_handler(SIGTTOU, SIG_IGN);
        }
        os::set_thread_name(setup_.thread_name.c_str());
        const std::string name = request.setup.name;
        request.header.logging().apply();
        leave_child(run_child(name, [&] {
            become_process(name, request.path, false, std::move(setup_.parent));
            set_start_method(setup_.method, true);
            request.setup.inherited = setup_.inherited;
            const child_role role = decode_role(request.header, setup_.executed);
            os::set_signal_mask(setup_.mask);
            return role(request.setup);
        }));
    }

    // -- a job that is stopped and continued -------------------------------------------------

    // The terminal's signal to stop reaches the parent's group, in which this server is and the
    // workers are not. Whether the parent stops is another matter: it may ignore, handle or block
    // the signal, and the kernel drops it where no shell could continue the job. So the server
    // never stops, but looks for a while whether its parent does. Then it stops the workers, and
    // continues them with the parent.
    [[nodiscard]] bool watches_stops() const noexcept {
        return stopped_ || clock::now() < stop_due_until_;
    }
    void follow_parent() {
        const bool stopped = os::is_stopped(setup_.parent.pid);
        if (stopped == stopped_)
            return;
        stopped_ = stopped;
        for (const child& one : children_)
            if (one.has_group())
                signal(one, stopped ? SIGSTOP : SIGCONT);
    }

    // -- the ends of children ----------------------------------------------------------------

    void read_signals() {
        while (const int number = signals_.next())
            if (number != SIGCHLD)
                stop_due_until_ = clock::now() + std::chrono::seconds(1);
        reap();
    }

    /// The group is killed while the zombie still keeps its number from being used again.
    void reap() {
        while (const auto ended = os::find_ended_child()) {
            const auto found = std::find_if(children_.begin(), children_.end(),
                                            [&](const child& c) { return c.pid == ended->pid; });
            if (found == children_.end()) {
                os::reap(ended->pid);
                continue;
            }
            const child gone = *found;
            children_.erase(found);
            if (gone.has_group())
                os::signal_group(gone.pid, SIGKILL);
            os::reap(gone.pid);
            report({1, gone.pid, gone.id, ended->exitcode, 0}, {});
        }
        orphans_wanted_ = !setup_.hosts_processes && (!children_.empty() || os::has_children());
    }

    /// Kills what dead workers left behind outside their groups. What belongs to the group of a
    /// live worker stays. Their own orphans, which show when they have died, bring us back.
    /// @note A search can cost some microseconds for each process of the machine, so searches take
    ///     at most a twentieth of the time.
    /// @returns whether there were any
    bool kill_orphans() {
        const auto begin = clock::now();
        bool any = false;
        for (const pid_t pid : os::list_children()) {
            const pid_t group = os::group_of(pid);
            const bool kept = std::any_of(children_.begin(), children_.end(), [&](const child& c) {
                return c.pid == pid || (c.has_group() && c.pid == group);
            });
            // a tracker that a worker started serves the whole family
            if (kept || os::is_named(pid, tracker_name))
                continue;
            os::signal_pid(pid, SIGKILL);
            any = true;
        }
        const auto now = clock::now();
        next_search_ = now + 20 * (now - begin);
        orphans_wanted_ = false;
        return any;
    }

    /// The parent is gone or wants no more: everything ends, also what is stopped.
    [[noreturn]] void end() {
        const Deadline deadline(std::chrono::seconds(2));
        std::erase_if(children_, [](const child& one) { return !one.dies(); });
        for (const child& one : children_)
            signal(one, SIGKILL);
        while (!deadline.expired()) {
            while (const auto ended = os::find_ended_child()) {
                std::erase_if(children_, [&](const child& c) { return c.pid == ended->pid; });
                if (!setup_.hosts_processes)
                    os::signal_group(ended->pid, SIGKILL);  // none, unless it led one
                os::reap(ended->pid);
            }
            if (children_.empty() && (setup_.hosts_processes || !kill_orphans()))
                break;
            std::array<os::watched, 1> entries{{{signals_.fd(), false, false}}};
            os::wait_any(std::span(entries), std::chrono::milliseconds(5));
            while (signals_.next() != 0) {
            }
        }
        os::end_process(0);
    }

    // -- events to the parent ----------------------------------------------------------------

    /// Never waits for the parent: what does not fit into the socket stays here.
    void report(const wire_event& event, os::descriptor pidfd) {
        waiting_packet packet;
        append_wire(packet.bytes, event);
        if (pidfd)
            packet.descriptors.push_back(std::move(pidfd));
        events_.push_back(std::move(packet));
        send_events();
    }
    void send_events() {
        while (!events_.empty() &&
               events_.front().send(setup_.socket.get()) == os::send_result::sent)
            events_.pop_front();
    }

    server_setup setup_;
    pid_t self_;
    os::disposition child_disposition_;
    os::signal_reader signals_;
    os::descriptor life_;
    os::descriptor writer_;
    std::vector<std::byte> buffer_;
    std::vector<child> children_;
    std::deque<waiting_packet> events_;
    bool stopped_ = false;                // the workers are, with the parent
    clock::time_point stop_due_until_{};  // a signal to stop came; the parent may obey until then
    bool orphans_wanted_ = false;
    clock::time_point next_search_{};
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
