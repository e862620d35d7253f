// SPDX-License-Identifier: BSL-1.0
// current_process(), parent_process(), active_children(): processes that the caller did not make.
#pragma once

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/process/child_list.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/process/process_state.hpp>

namespace multiprocessing {
inline namespace v0 {

/// The calling process, its parent, or one of its children. Copies name the same process.
/// @par Python A Process object that was not made by its user
class ProcessInfo {
  public:
    [[nodiscard]] std::string name() const { return name_; }
    [[nodiscard]] std::optional<pid_t> pid() const noexcept { return pid_; }
    [[nodiscard]] std::optional<pid_t> ident() const noexcept { return pid_; }
    /// @returns false for the parent, which a child cannot know more about
    [[nodiscard]] bool daemon() const noexcept { return daemon_; }

    [[nodiscard]] bool is_alive() const {
        if (child_)
            return child_->alive();
        if (parent_)
            return parent_->pidfd &&
                   !os::poll_readable(parent_->pidfd.get(), std::chrono::nanoseconds::zero());
        return true;
    }

    /// @returns nothing while it lives, and for the caller and its parent
    [[nodiscard]] std::optional<int> exitcode() const {
        return child_ ? child_->exitcode() : std::nullopt;
    }

    /// Waits until it has ended.
    /// @throws ValueError for the calling process
    /// @throws KeyboardInterrupt under an InterruptGuard
    void join() const { wait(detail::Deadline()); }
    /// @returns whether it has ended
    bool join(Timeout timeout) const { return wait(detail::Deadline(timeout)); }

    /// Sends SIGTERM. @throws ValueError unless it is a child
    void terminate() const { child("terminate").signal(SIGTERM); }
    /// Sends SIGKILL. @throws ValueError unless it is a child
    void kill() const { child("kill").signal(SIGKILL); }
    /// Sends SIGINT. @throws ValueError unless it is a child
    void interrupt() const { child("interrupt").signal(SIGINT); }

    /// @returns a descriptor that polls readable when the process has ended; valid while a copy of
    ///     this object lives
    /// @throws ValueError for the calling process
    [[nodiscard]] int sentinel() const {
        if (parent_)
            return parent_->pidfd.get();
        return child("sentinel").sentinel();
    }

  private:
    ProcessInfo() = default;
    friend ProcessInfo current_process();
    friend std::optional<ProcessInfo> parent_process();
    friend std::vector<ProcessInfo> active_children();

    [[nodiscard]] detail::process_state& child(const char* call) const {
        if (!child_)
            throw ValueError(std::string("ProcessInfo.") + call + ": process " + name_ +
                             " is no child of this process");
        return *child_;
    }
    bool wait(detail::Deadline deadline) const {
        if (!parent_)
            return child("join").wait(deadline);
        while (is_alive()) {
            if (deadline.expired())
                return false;
            detail::check_interrupt();
            os::poll_readable(parent_->pidfd.get(), deadline.remaining());
        }
        return true;
    }

    std::string name_;
    std::optional<pid_t> pid_;
    bool daemon_ = false;
    std::shared_ptr<detail::process_state> child_;
    std::shared_ptr<const detail::parent_identity> parent_;
};

/// @returns the calling process; in the main process its name is MainProcess
[[nodiscard]] inline ProcessInfo current_process() {
    ProcessInfo info;
    info.name_ = detail::this_process().name;
    info.daemon_ = detail::this_process().daemon;
    info.pid_ = os::process_id();
    return info;
}

/// @returns the process that started the calling one; nothing in the main process. Of a pool worker
///     and of a child of the fork server it is the process that owns the pool or made the Process.
[[nodiscard]] inline std::optional<ProcessInfo> parent_process() {
    const auto parent = detail::this_process().parent;
    if (!parent)
        return std::nullopt;
    ProcessInfo info;
    info.name_ = parent->name;
    info.pid_ = parent->pid;
    info.parent_ = parent;
    return info;
}

/// Reaps the children that have ended.
/// @returns the Processes of the calling process that live; pool workers are not among them
[[nodiscard]] inline std::vector<ProcessInfo> active_children() {
    std::vector<ProcessInfo> result;
    for (auto& child : detail::child_list::instance().living()) {
        ProcessInfo info;
        info.name_ = child->name();
        info.daemon_ = child->daemon();
        info.pid_ = child->pid();
        info.child_ = std::move(child);
        result.push_back(std::move(info));
    }
    return result;
}

}  // namespace v0
}  // namespace multiprocessing
