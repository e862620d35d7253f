// SPDX-License-Identifier: BSL-1.0
// A started process as its parent knows it: is it alive, how did it end, waiting, signalling.
#pragma once

#include <chrono>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/process/process_server.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A pipe of which this process is the only writer. Daemonic children arm the read end, so that
/// they do not outlive a parent that was killed.
struct life_line {
    os::descriptor reader;
    os::descriptor writer;

    life_line() { std::tie(reader, writer) = os::life_pipe(); }
};

/// Shared by the Process, the list of children and the ProcessInfos of one child; any thread may
/// use it.
class process_state {
  public:
    /// @param pidfd empty when the child had ended and was reaped before it could be opened
    /// @param report of a child of the fork server
    /// @param life what a daemonic child armed; kept while it lives
    process_state(std::string name, bool daemon, pid_t pid, os::descriptor pidfd,
                  std::shared_ptr<server_report> report = nullptr,
                  std::shared_ptr<life_line> life = nullptr)
        : name_(std::move(name)),
          daemon_(daemon),
          pid_(pid),
          pidfd_(std::move(pidfd)),
          report_(std::move(report)),
          life_(std::move(life)) {}

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] bool daemon() const noexcept { return daemon_; }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] int sentinel() const noexcept { return pidfd_.get(); }

    /// Only the process that started it can ask and wait. @throws ValueError in every other one
    void require_own(const char* call) const {
        if (creator_ != os::process_id())
            throw ValueError(std::string(call) + ": process " + name_ +
                             " is no child of this process");
    }
    [[nodiscard]] bool own() const noexcept { return creator_ == os::process_id(); }

    /// Empty while it lives. Reaps it.
    /// @returns 255 when the program ignores SIGCHLD or reaped the child itself: the status is lost
    std::optional<int> exitcode() {
        const std::scoped_lock lock(mutex_);
        if (exitcode_)
            return exitcode_;
        if (report_) {
            if (ended())
                exitcode_ = process_server::instance().exitcode(*report_);
            return exitcode_;
        }
        const auto [state, code] =
            pidfd_ ? os::try_reap(pidfd_.get()) : std::pair(os::child_state::unknown, 0);
        if (state == os::child_state::ended)
            exitcode_ = code;
        else if (state == os::child_state::unknown && ended())
            exitcode_ = unknown_exitcode;
        return exitcode_;
    }

    [[nodiscard]] bool alive() { return !exitcode(); }

    /// Waits until it has ended. @returns false when it still lives at the deadline
    /// @throws KeyboardInterrupt under an InterruptGuard, if `interruptible`
    bool wait(Deadline deadline, bool interruptible = true) {
        for (;;) {
            if (exitcode())
                return true;
            if (deadline.expired())
                return false;
            if (interruptible)
                check_interrupt();
            os::poll_readable(pidfd_.get(), deadline.remaining());
        }
    }

    /// Does nothing when it has ended.
    void signal(int number) noexcept {
        if (pidfd_)
            os::signal_process(pidfd_.get(), number);
    }

    /// What becomes of it when its parent wants no more: a daemonic process is terminated, and
    /// killed when that does not end it (it ignores SIGTERM, or is stopped); any other is waited
    /// for.
    void finish() {
        if (daemon_) {
            signal(SIGTERM);
            if (!wait(Deadline(std::chrono::seconds(1)), false))
                signal(SIGKILL);
        }
        wait(Deadline(), false);
    }

  private:
    [[nodiscard]] bool ended() const {
        return !pidfd_ || os::poll_readable(pidfd_.get(), std::chrono::nanoseconds::zero());
    }

    const pid_t creator_ = os::process_id();
    const std::string name_;
    const bool daemon_;
    const pid_t pid_;
    const os::descriptor pidfd_;
    const std::shared_ptr<server_report> report_;
    const std::shared_ptr<life_line> life_;
    std::mutex mutex_;
    std::optional<int> exitcode_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
