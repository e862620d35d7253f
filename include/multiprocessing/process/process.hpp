// SPDX-License-Identifier: BSL-1.0
// Process: a function that runs in a process of its own.
#pragma once

#include <chrono>
#include <concepts>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/process/bootstrap.hpp>
#include <multiprocessing/process/child_list.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/process/launch.hpp>
#include <multiprocessing/process/process_state.hpp>
#include <multiprocessing/process/process_target.hpp>
#include <multiprocessing/process/start_method.hpp>
#include <multiprocessing/serialization/arguments.hpp>
#include <multiprocessing/serialization/checks.hpp>

namespace multiprocessing {
inline namespace v0 {

/// The keyword arguments of a Process.
struct ProcessOptions {
    std::optional<std::string> name = {};          ///< default: Process-1, in a child Process-1:1
    std::optional<bool> daemon = {};               ///< default: as the calling process
    std::optional<StartMethod> start_method = {};  ///< default: get_start_method()
};

/// A function that runs in a process of its own, or what `run()` of a subclass does.
///
/// The destructor waits until a started process has ended; a daemonic one it terminates first, and
/// kills when it has not ended within a second. A process that is still running when the program
/// exits is treated alike. A daemonic process does not outlive its parent, however that ends.
/// @note Move-only. Several threads may wait for and signal one Process at the same time. In
///     another process than the one that made it, waiting and asking throw ValueError.
/// @note The child reads nothing from standard input. When it ends it runs the exit handlers that
///     it registered itself and destroys the static objects that it made itself: none of its
///     parent's and, where it was executed anew, none from before `main`.
/// @par Python `multiprocessing.Process`. `daemon` and `name` are set by calling them with a value;
///     there is no `authkey` here, and `group` is nothing in Python either.
class Process {
  public:
    /// For subclasses that override run().
    explicit Process(ProcessOptions options = {})
        : path_(detail::next_child_path()),
          name_(options.name ? std::move(*options.name) : "Process-" + path_),
          daemon_(options.daemon.value_or(detail::this_process().daemon)),
          method_(options.start_method) {}

    /// @param target a function, or a callable that is neither generic nor overloaded. Under fork
    ///     it may hold anything, and so may the arguments; else both must be picklable
    /// @param args the function's arguments, as a braced list, a tuple or a pair
    template <class F>
        requires(!std::derived_from<std::remove_cvref_t<F>, Process> &&
                 !std::same_as<std::remove_cvref_t<F>, ProcessOptions>)
    explicit Process(F&& target, std::type_identity_t<detail::arguments_for<F>> args = {},
                     ProcessOptions options = {})
        : Process(std::move(options)) {
        (void)detail::known_check<F>{};
        (void)detail::writes_check<F>{};
        if constexpr (detail::known_callable<F>)
            target_ = std::make_unique<detail::target_for<F>>(std::forward<F>(target),
                                                              std::move(args).take());
    }

    // a subclass would lose its run()
    template <class Derived>
        requires(std::derived_from<std::remove_cvref_t<Derived>, Process> &&
                 !std::same_as<std::remove_cvref_t<Derived>, Process>)
    explicit Process(Derived&&) = delete;

    Process(Process&&) noexcept = default;
    Process& operator=(Process&& other) noexcept {
        if (this != &other) {
            finish();
            creator_ = other.creator_;
            path_ = std::move(other.path_);
            name_ = std::move(other.name_);
            daemon_ = other.daemon_;
            closed_ = other.closed_;
            method_ = other.method_;
            target_ = std::move(other.target_);
            state_ = std::move(other.state_);
        }
        return *this;
    }
    virtual ~Process() { finish(); }

    /// What the child does: by default it calls the target.
    /// @note An override takes part only under fork.
    virtual void run() {
        if (target_)
            target_->call();
    }

    /// Starts the process. The target and its arguments are destroyed here when it has started.
    /// @throws ValueError when called twice, after close(), in another process than the one that
    ///     made this object, or in a daemonic process
    /// @throws PicklingError under spawn and forkserver, before anything is started, when the
    /// target
    ///     or an argument cannot be sent, or the object is of a subclass
    /// @throws ProcessError under spawn and forkserver where main lacks freeze_support()
    /// @throws std::system_error when the system has no process, memory or descriptor left
    void start() {
        detail::require_freeze_support_done();
        require_open();
        if (state_)
            throw ValueError("Process.start: a process cannot be started twice");
        if (creator_ != os::process_id())
            throw ValueError("Process.start: the object was made by another process");
        if (detail::this_process().daemon)
            throw ValueError("Process.start: daemonic processes are not allowed to have children");
        const StartMethod method = detail::named_or_default(method_);
        const detail::process_plan plan{name_, path_, daemon_, method};
        state_ = method == StartMethod::fork ? start_forked(plan) : start_elsewhere(plan);
        detail::child_list::instance().add(state_);
        target_.reset();
    }

    /// Waits until the process has ended.
    /// @throws ValueError before start() and after close()
    /// @throws KeyboardInterrupt under an InterruptGuard
    void join() { wait("Process.join", detail::Deadline()); }
    /// @returns whether the process has ended
    /// @par Python returns None
    bool join(Timeout timeout) { return wait("Process.join", detail::Deadline(timeout)); }

    /// @returns false before start()
    [[nodiscard]] bool is_alive() const {
        require_open();
        if (!state_)
            return false;
        state_->require_own("Process.is_alive");
        if (state_->alive())
            return true;
        detail::child_list::instance().remove(*state_);
        return false;
    }

    /// Sends SIGTERM; the process's own children go on. Nothing when it has ended.
    void terminate() { signal("Process.terminate", SIGTERM); }
    /// Sends SIGKILL.
    void kill() { signal("Process.kill", SIGKILL); }
    /// Sends SIGINT.
    void interrupt() { signal("Process.interrupt", SIGINT); }

    /// Releases the descriptors of a process that has ended, or was never started. Nearly all other
    /// calls then throw ValueError.
    /// @throws ValueError while it runs
    void close() {
        if (closed_)
            return;
        if (state_ && state_->own()) {
            if (state_->alive())
                throw ValueError("Process.close: process " + name_ +
                                 " is still running: join() it first");
            detail::child_list::instance().remove(*state_);
        }
        state_.reset();
        target_.reset();
        closed_ = true;
    }

    /// @returns nothing before start()
    [[nodiscard]] std::optional<pid_t> pid() const {
        require_open();
        return state_ ? std::optional(state_->pid()) : std::nullopt;
    }
    [[nodiscard]] std::optional<pid_t> ident() const { return pid(); }

    [[nodiscard]] std::string name() const { return name_; }
    /// @throws ValueError after start(): the child has its name already
    void name(std::string name) {
        require_unstarted("Process.name");
        name_ = std::move(name);
    }
    [[nodiscard]] bool daemon() const noexcept { return daemon_; }
    /// @throws ValueError after start()
    void daemon(bool daemon) {
        require_unstarted("Process.daemon");
        daemon_ = daemon;
    }

    /// @returns the exit status, or minus the signal that ended it; nothing before the end; 255
    ///     when the program ignores SIGCHLD, has reaped the child itself, or the fork server was
    ///     killed: then nobody knows
    [[nodiscard]] std::optional<int> exitcode() const {
        require_open();
        if (!state_)
            return std::nullopt;
        state_->require_own("Process.exitcode");
        return state_->exitcode();
    }

    /// @returns a descriptor that polls readable when the process has ended; valid until close()
    /// @throws ValueError before start()
    [[nodiscard]] int sentinel() const {
        require_open();
        if (!state_)
            throw ValueError("Process.sentinel: the process is not started");
        return state_->sentinel();
    }

  private:
    std::shared_ptr<detail::process_state> start_forked(const detail::process_plan& plan) {
        return detail::launch_forked(plan, [this] {
            run();
            return 0;
        });
    }
    std::shared_ptr<detail::process_state> start_elsewhere(const detail::process_plan& plan) {
        const Process& self = *this;
        if (typeid(self) != typeid(Process))
            throw PicklingError(
                "Process.start: a subclass of Process cannot be pickled; only fork "
                "can start it");
        detail::heap_buffer payload;
        detail::write_payload_header(payload, plan);
        detail::child_role role = [](detail::child_setup&) { return 0; };
        if (target_) {
            target_->encode(payload);
            role = target_->role();
        }
        return plan.method == StartMethod::spawn
                   ? detail::launch_spawned(plan, role, payload.bytes())
                   : detail::launch_served(plan, role, payload.bytes());
    }

    detail::process_state& started(const char* call) const {
        require_open();
        if (!state_)
            throw ValueError(std::string(call) + ": the process is not started");
        state_->require_own(call);
        return *state_;
    }
    bool wait(const char* call, detail::Deadline deadline) {
        detail::process_state& state = started(call);
        if (!state.wait(deadline))
            return false;
        detail::child_list::instance().remove(state);
        return true;
    }
    void signal(const char* call, int number) { started(call).signal(number); }
    void require_open() const {
        if (closed_)
            throw ValueError("Process: the process object is closed");
    }
    void require_unstarted(const char* call) const {
        require_open();
        if (state_)
            throw ValueError(std::string(call) + ": the process is already started");
    }

    void finish() noexcept {
        if (!state_ || !state_->own())
            return;
        state_->finish();
        detail::child_list::instance().remove(*state_);
        state_.reset();
    }

    pid_t creator_ = os::process_id();
    std::string path_;
    std::string name_;
    bool daemon_ = false;
    bool closed_ = false;
    std::optional<StartMethod> method_;
    std::unique_ptr<detail::process_target> target_;
    std::shared_ptr<detail::process_state> state_;
};

}  // namespace v0
}  // namespace multiprocessing
