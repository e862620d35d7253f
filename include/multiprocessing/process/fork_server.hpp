// SPDX-License-Identifier: BSL-1.0
// A single-threaded server process that forks children on behalf of this one: the handle.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/memory/family.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/os/socket.hpp>
#include <multiprocessing/os/wait_set.hpp>
#include <multiprocessing/process/bootstrap.hpp>
#include <multiprocessing/process/fork_server_main.hpp>
#include <multiprocessing/process/fork_server_protocol.hpp>
#include <multiprocessing/process/fork_warning.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/process/role_code.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What a fork server reports. In one child's life: started, ended; or failed alone.
struct child_event {
    enum class kind { started, ended, failed } what = kind::started;
    std::uint64_t id = 0;
    pid_t pid = 0;
    int exitcode = 0;      ///< of ended: the exit status or minus the signal
    int error = 0;         ///< of failed: why fork did
    os::descriptor pidfd;  ///< of started, for a plain process: readable once it has ended;
                           ///< empty when this process has no descriptor left
};

/// Forks children from a server process, whatever the state of the calling one. The children are
/// killed, with their process groups, when the server or the calling process ends, in what way
/// ever; children of children that left the group go with the server.
/// @note The caller's lock must guard all calls but descriptor() and pid(). No call waits for the
///     server, except the constructor and stop().
class fork_server {
  public:
    /// @param method fork: a copy of this process, made now by the calling thread; else this
    /// program
    ///     executed anew
    /// @param inherited under fork, given to every child
    /// @param hosts_processes the children are Processes: no groups and no search for orphans
    /// @throws ProcessError where main lacks freeze_support()
    /// @throws std::system_error when there is no memory, process or descriptor to be had
    explicit fork_server(StartMethod method, void* inherited = nullptr,
                         bool hosts_processes = false) {
        require_freeze_support_done();
        os::descriptor self = os::open_process(owner_);
        if (method == StartMethod::fork)
            fork(std::move(self), inherited, hosts_processes);
        else
            execute(method, self, hosts_processes);
        try {
            watched_.add(socket_.get());
            watched_.add(pidfd_.get());
        } catch (...) {
            stop();
            throw;
        }
    }
    fork_server(const fork_server&) = delete;
    fork_server& operator=(const fork_server&) = delete;
    ~fork_server() { stop(); }

    /// Starts a child; returns at once.
    /// @param id names the child in events and in signal()
    /// @param name the process name
    /// @param role what the child does, a function of this program
    /// @param descriptors the child gets copies of them; at most 252
    /// @param path the child's place in the tree of processes; empty: its id
    /// @throws ValueError for too many descriptors or too long a name
    /// @throws PicklingError when the role cannot be named to an executed server
    void start(std::uint64_t id, const std::string& name, child_role role,
               std::span<const std::byte> payload, std::span<const int> descriptors,
               std::uint32_t flags = worker_child, const std::string& path = {}) {
        wire_request header;
        header.id = id;
        header.flags = flags;
        encode_role(header, role, executed_);
        send(make_start_packet(header, name, path.empty() ? std::to_string(id) : path, payload,
                               descriptors));
    }

    /// Has the server signal the child and its whole group; nothing when it has ended.
    void signal(std::uint64_t id, int signal_number) {
        wire_request header;
        header.kind = request_kind::signal;
        header.id = id;
        header.signal = signal_number;
        waiting_packet packet;
        append_wire(packet.bytes, header);
        send(std::move(packet));
    }

    /// @returns what happened next, or nothing
    /// @throws ProcessError once the server is gone and every event was read
    [[nodiscard]] std::optional<child_event> next_event() {
        flush();
        if (auto event = receive())
            return event;
        if (!gone_ && !os::poll_readable(pidfd_.get(), std::chrono::nanoseconds::zero()))
            return std::nullopt;
        if (auto last = receive())  // it may have reported once more before it died
            return last;
        throw ProcessError("the fork server of process " + std::to_string(owner_) + " died");
    }

    /// Polls readable when next_event has something to say.
    [[nodiscard]] int descriptor() const noexcept { return watched_.fd(); }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] bool alive() const {
        return pidfd_ && !os::poll_readable(pidfd_.get(), std::chrono::nanoseconds::zero());
    }

    /// Kills all children, ends the server and reaps it: within seconds, also when the server or
    /// children are stopped. In a forked copy of the calling process it only closes descriptors.
    void stop() noexcept {
        if (!pidfd_)
            return;
        if (owner_ == os::process_id()) {
            os::shut_down(socket_.get());
            os::signal_process(pidfd_.get(), SIGCONT);
            if (!os::wait_for_end(pidfd_.get(), std::chrono::seconds(3))) {
                os::signal_process(pidfd_.get(), SIGKILL);
                os::wait_for_end(pidfd_.get(), std::chrono::seconds(2));
            }
            os::try_reap(pidfd_.get());
            forget(socket_.get());
            forget(pidfd_.get());
        }
        waiting_.clear();
        socket_.reset();
        pidfd_.reset();
        gone_ = true;
    }

  private:
    /// Other children have copies of what is closed, which would go on being watched.
    void forget(int member) noexcept {
        try {
            watched_.remove(member);
        } catch (const std::system_error&) {
            // it was not watched yet
        }
    }
    void fork(os::descriptor self, void* inherited, bool hosts_processes) {
        auto [ours, theirs] = os::packet_pair();
        this_family();  // founded here, else by each child for itself
        warn_about_threads();
        flush_standard_streams();
        const os::blocked_signals blocked;
        pid_ = os::fork_process();
        if (pid_ == 0) {
            ours.reset();
            fork_server_main::run({.socket = std::move(theirs),
                                   .parent = {owner_, this_process().name, std::move(self)},
                                   .method = StartMethod::fork,
                                   .mask = blocked.application(),
                                   .executed = false,
                                   .hosts_processes = hosts_processes,
                                   .inherited = inherited,
                                   .thread_name = os::get_thread_name()});
        }
        socket_ = std::move(ours);
        pidfd_ = os::open_child(pid_);
    }
    void execute(StartMethod method, const os::descriptor& self, bool hosts_processes) {
        executed_program program =
            execute_program(boot_mode::server, method, self, hosts_processes);
        executed_ = true;
        pid_ = program.pid;
        pidfd_ = std::move(program.pidfd);
        socket_ = std::move(program.socket);
    }

    void send(waiting_packet packet) {
        if (gone_)
            return;  // next_event tells
        flush();
        if (waiting_.empty() && packet.send(socket_.get()) != os::send_result::would_block)
            return;
        waiting_.push_back(std::move(packet));
        if (waiting_.size() == 1)
            watched_.set_writable(socket_.get(), true);
    }
    void flush() {
        if (waiting_.empty() || gone_)
            return;
        while (!waiting_.empty() &&
               waiting_.front().send(socket_.get()) != os::send_result::would_block)
            waiting_.pop_front();
        if (waiting_.empty())
            watched_.set_writable(socket_.get(), false);
    }
    std::optional<child_event> receive() {
        if (gone_)
            return std::nullopt;
        std::array<std::byte, 64> buffer{};
        std::vector<os::descriptor> descriptors;
        const auto size = os::receive_packet(socket_.get(), buffer, descriptors);
        if (!size)
            return std::nullopt;
        if (*size == 0) {
            gone_ = true;
            return std::nullopt;
        }
        const auto wire =
            input_cursor(std::span<const std::byte>(buffer).first(*size)).read_value<wire_event>();
        child_event event{static_cast<child_event::kind>(wire.kind),
                          wire.id,
                          wire.pid,
                          wire.exitcode,
                          wire.error,
                          {}};
        if (!descriptors.empty())
            event.pidfd = std::move(descriptors.front());
        return event;
    }

    pid_t owner_ = os::process_id();
    pid_t pid_ = -1;
    bool executed_ = false;
    bool gone_ = false;  // the socket has told its end
    os::descriptor pidfd_;
    os::descriptor socket_;
    os::wait_set watched_;
    std::deque<waiting_packet> waiting_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
