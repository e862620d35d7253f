// SPDX-License-Identifier: BSL-1.0
// The one fork server behind all Processes of the start method forkserver: started at first use,
// and again when it was killed.
#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/process/fork_server.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What the server has told of one child; guarded by the mutex of process_server.
struct server_report {
    bool answered = false;   ///< the child was started, or never will be
    bool abandoned = false;  ///< nobody waits for it any more: kill it when it appears
    bool lost = false;       ///< the server is gone: nothing more will be told
    int error = 0;           ///< why fork failed
    pid_t pid = 0;
    os::descriptor pidfd;
    std::optional<int> exitcode;
};

class process_server {
  public:
    static process_server& instance() {
        static auto& object = *new process_server;  // exit handlers still use it
        return object;
    }

    /// Starts a child and waits until it exists.
    /// @throws ProcessError when the server dies meanwhile, or main lacks freeze_support()
    /// @throws std::system_error when the server cannot fork
    /// @throws KeyboardInterrupt under a guard; the child, if there is one, is killed
    std::shared_ptr<server_report> start(const std::string& name, const std::string& path,
                                         child_role role, std::span<const std::byte> payload,
                                         std::uint32_t flags) {
        auto report = std::make_shared<server_report>();
        std::uint64_t id = 0;
        {
            const std::scoped_lock lock(mutex_);
            ensure_running();
            check_interrupt();  // nothing was asked for yet
            id = ++last_id_;
            server_->start(id, name, role, payload, {}, flags, path);
            reports_.emplace(id, report);
        }
        try {
            while (!wait(*report, [&] { return report->answered || report->lost; })) {
                check_interrupt();
            }
        } catch (...) {
            abandon(id, *report);
            throw;
        }
        const std::scoped_lock lock(mutex_);
        if (report->error != 0)
            os::throw_system_error("the fork server cannot fork", report->error);
        if (!report->answered)
            throw ProcessError("the fork server died while it started process " + name);
        return report;
    }

    /// The exit code of a child whose pidfd says that it has ended. It waits a moment for the
    /// server's word, and not for ever: the server may be stopped, or dead.
    int exitcode(const server_report& report) {
        const Deadline deadline(std::chrono::seconds(2));
        while (!wait(report, [&] { return report.exitcode || report.lost; }) &&
               !deadline.expired()) {
        }
        const std::scoped_lock lock(mutex_);
        return report.exitcode.value_or(unknown_exitcode);
    }

    /// The server's process; 0 when it does not run.
    [[nodiscard]] pid_t pid() {
        const std::scoped_lock lock(mutex_);
        return server_ && server_->alive() ? server_->pid() : 0;
    }

    void stop() noexcept {
        const std::scoped_lock lock(mutex_);
        lose_server();
    }

    // Taken across fork, so that the child finds a state that is whole.
    void before_fork() { mutex_.lock(); }
    void after_fork_in_parent() { mutex_.unlock(); }
    void after_fork_in_child() {
        lose_server();  // closes its descriptors; the server goes on for the parent
        mutex_.unlock();
    }

  private:
    process_server() = default;

    void ensure_running() {
        if (server_ && !server_->alive()) {
            read_events();
            lose_server();
        }
        if (!server_)
            server_ = std::make_unique<fork_server>(StartMethod::forkserver, nullptr, true);
    }

    /// Kills a child that nobody will know. When it is not there yet, the request to kill it stands
    /// behind that to start it.
    void abandon(std::uint64_t id, server_report& report) {
        const std::scoped_lock lock(mutex_);
        report.abandoned = true;
        if (report.pidfd)
            os::signal_process(report.pidfd.get(), SIGKILL);
        else if (server_)
            server_->signal(id, SIGKILL);
    }

    /// Reads what the server tells, at most a slice long. @returns whether `done` holds
    template <class Done>
    bool wait(const server_report&, Done done) {
        int fd = -1;
        {
            const std::scoped_lock lock(mutex_);
            read_events();
            if (done())
                return true;
            if (server_)
                fd = server_->descriptor();
        }
        // unlocked: if another thread closes it meanwhile, the wait ends early or after a slice
        os::poll_readable(fd, std::chrono::milliseconds(10));
        return false;
    }

    void read_events() noexcept {
        if (!server_)
            return;
        try {
            while (auto event = server_->next_event())
                take(std::move(*event));
        } catch (const std::exception&) {
            lose_server();
        }
    }

    void take(child_event event) {
        const auto found = reports_.find(event.id);
        if (found == reports_.end())
            return;
        server_report& report = *found->second;
        report.answered = true;
        switch (event.what) {
            case child_event::kind::started:
                report.pid = event.pid;
                report.pidfd = std::move(event.pidfd);
                if (!report.pidfd) {  // descriptors are exhausted here or there
                    report.error = EMFILE;
                    report.abandoned = true;
                }
                if (report.abandoned)
                    server_->signal(event.id, SIGKILL);
                return;
            case child_event::kind::ended:
                report.exitcode = event.exitcode;
                break;
            case child_event::kind::failed:
                report.error = event.error;
                break;
        }
        reports_.erase(found);
    }

    void lose_server() noexcept {
        for (auto& [id, report] : reports_)
            report->lost = true;
        reports_.clear();
        server_.reset();
    }

    std::mutex mutex_;
    std::unique_ptr<fork_server> server_;
    std::map<std::uint64_t, std::shared_ptr<server_report>> reports_;
    std::uint64_t last_id_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
