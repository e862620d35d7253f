// SPDX-License-Identifier: BSL-1.0
// Context: a start method as an object, with the functions that make what a program shares.
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/connection/connection.hpp>
#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/core/count.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/logging.hpp>
#include <multiprocessing/pool/options.hpp>
#include <multiprocessing/pool/pool.hpp>
#include <multiprocessing/process/cpu_count.hpp>
#include <multiprocessing/process/freeze_support.hpp>
#include <multiprocessing/process/process.hpp>
#include <multiprocessing/process/process_info.hpp>
#include <multiprocessing/process/start_method.hpp>
#include <multiprocessing/queues/queue.hpp>
#include <multiprocessing/serialization/arguments.hpp>
#include <multiprocessing/shared/array.hpp>
#include <multiprocessing/shared/value.hpp>
#include <multiprocessing/synchronize/barrier.hpp>
#include <multiprocessing/synchronize/condition.hpp>
#include <multiprocessing/synchronize/event.hpp>
#include <multiprocessing/synchronize/lock.hpp>
#include <multiprocessing/synchronize/semaphore.hpp>

namespace multiprocessing {
inline namespace v0 {

struct ManagerOptions;
class Manager;

/// The calls of the library with one start method, whatever the default is: a library can use it
/// without a word to the program around it. Copies are alike.
/// @note Its functions are named as the classes they make, as in Python. Their options may name the
/// context's own start method, but no other: that throws ValueError.
/// @par Python `multiprocessing.context.BaseContext`; the classes of a context are functions here,
/// so a subclass of Process names its start method in its options instead
class Context {
  public:
    explicit Context(StartMethod method) noexcept : method_(method) {}

    friend bool operator==(const Context&, const Context&) = default;

    /// @param target a callable, and `args` its arguments, as the constructor of the class takes
    /// them
    /// @returns a process that is not started yet
    /// @par Python `ctx.Process(target=, args=, name=, daemon=)`
    template <class F>
        requires(!std::same_as<std::remove_cvref_t<F>, ProcessOptions>)
    [[nodiscard]] ::multiprocessing::Process Process(
        F&& target, std::type_identity_t<detail::arguments_for<F>> args = {},
        ProcessOptions options = {}) const {
        use_method(options.start_method, "Context.Process");
        return ::multiprocessing::Process(std::forward<F>(target), std::move(args),
                                          std::move(options));
    }
    /// A process that does nothing.
    [[nodiscard]] ::multiprocessing::Process Process(ProcessOptions options = {}) const {
        use_method(options.start_method, "Context.Process");
        return ::multiprocessing::Process(std::move(options));
    }

    /// Starts a pool; throws what its constructor throws.
    /// @par Python `ctx.Pool(processes, initializer, initargs, maxtasksperchild)`
    [[nodiscard]] ::multiprocessing::Pool<> Pool(PoolOptions options = {}) const {
        use_method(options.start_method, "Context.Pool");
        return ::multiprocessing::Pool<>(std::move(options));
    }
    /// @param processes how many workers
    template <std::integral N>
    [[nodiscard]] ::multiprocessing::Pool<> Pool(N processes) const {
        return Pool(PoolOptions{.processes = processes});
    }
    /// A pool that is bound to a function.
    template <class F>
        requires(detail::known_callable<std::decay_t<F>>)
    [[nodiscard]] ::multiprocessing::Pool<std::decay_t<F>> Pool(F&& f,
                                                                PoolOptions options = {}) const {
        use_method(options.start_method, "Context.Pool");
        return ::multiprocessing::Pool<std::decay_t<F>>(std::forward<F>(f), std::move(options));
    }

    /// Starts a manager; throws what its constructor throws. A template, for managers stand above
    /// this floor: who calls it includes <multiprocessing/managers.hpp>, or the whole library.
    template <class Options = ManagerOptions, class Made = ::multiprocessing::Manager>
    [[nodiscard]] Made Manager(Options options = {}) const {
        use_method(options.start_method, "Context.Manager");
        return Made(std::move(options));
    }

    [[nodiscard]] StartMethod get_start_method() const noexcept { return method_; }
    /// @throws ValueError always: a context has one start method for life
    [[noreturn]] void set_start_method(StartMethod /*method*/, bool /*force*/ = false) const {
        throw ValueError("Context.set_start_method: the start method of a context cannot be set");
    }
    [[nodiscard]] Context get_context() const noexcept { return *this; }
    [[nodiscard]] Context get_context(StartMethod method) const noexcept { return Context(method); }

    // What follows is the same for every start method; it is here because Python has it here.

    [[nodiscard]] ::multiprocessing::Lock Lock() const { return {}; }
    [[nodiscard]] ::multiprocessing::Lock Lock(std::string_view name) const {
        return ::multiprocessing::Lock(name);
    }
    [[nodiscard]] ::multiprocessing::RLock RLock() const { return {}; }
    [[nodiscard]] ::multiprocessing::Semaphore Semaphore(Count value = 1) const {
        return ::multiprocessing::Semaphore(value);
    }
    [[nodiscard]] ::multiprocessing::BoundedSemaphore BoundedSemaphore(Count value = 1) const {
        return ::multiprocessing::BoundedSemaphore(value);
    }
    [[nodiscard]] ::multiprocessing::Condition Condition() const { return {}; }
    [[nodiscard]] ::multiprocessing::Condition Condition(AnyLock lock) const {
        return ::multiprocessing::Condition(std::move(lock));
    }
    [[nodiscard]] ::multiprocessing::Event Event() const { return {}; }
    [[nodiscard]] ::multiprocessing::Barrier Barrier(
        Count parties, detail::action action = {},
        std::optional<Timeout> timeout = std::nullopt) const {
        return ::multiprocessing::Barrier(parties, std::move(action), timeout);
    }

    /// @par Python `ctx.Value(type, value, lock=)`
    template <class T, class... Lock>
    [[nodiscard]] ::multiprocessing::Value<T> Value(T value = T{}, const Lock&... lock) const {
        return ::multiprocessing::Value<T>(value, lock...);
    }
    template <class T>
    [[nodiscard]] ::multiprocessing::RawValue<T> RawValue(T value = T{}) const {
        return ::multiprocessing::RawValue<T>(value);
    }
    /// @param source what the constructor of the class takes: a size or values, and perhaps a lock
    template <class T, class... Source>
    [[nodiscard]] ::multiprocessing::Array<T> Array(Source&&... source) const {
        return ::multiprocessing::Array<T>(std::forward<Source>(source)...);
    }
    template <class T, class... Lock>
    [[nodiscard]] ::multiprocessing::Array<T> Array(std::initializer_list<T> values,
                                                    const Lock&... lock) const {
        return ::multiprocessing::Array<T>(values, lock...);
    }
    template <class T, class Source>
    [[nodiscard]] ::multiprocessing::RawArray<T> RawArray(Source&& source) const {
        return ::multiprocessing::RawArray<T>(std::forward<Source>(source));
    }
    template <class T>
    [[nodiscard]] ::multiprocessing::RawArray<T> RawArray(std::initializer_list<T> values) const {
        return ::multiprocessing::RawArray<T>(values);
    }

    template <class T>
    [[nodiscard]] ::multiprocessing::Queue<T> Queue(std::ptrdiff_t maxsize = 0) const {
        return ::multiprocessing::Queue<T>(maxsize);
    }
    template <class T>
    [[nodiscard]] ::multiprocessing::JoinableQueue<T> JoinableQueue(
        std::ptrdiff_t maxsize = 0) const {
        return ::multiprocessing::JoinableQueue<T>(maxsize);
    }
    template <class T>
    [[nodiscard]] ::multiprocessing::SimpleQueue<T> SimpleQueue() const {
        return ::multiprocessing::SimpleQueue<T>();
    }
    [[nodiscard]] std::pair<Connection, Connection> Pipe(bool duplex = true) const {
        return ::multiprocessing::Pipe(duplex);
    }

    [[nodiscard]] int cpu_count() const { return ::multiprocessing::cpu_count(); }
    [[nodiscard]] ProcessInfo current_process() const {
        return ::multiprocessing::current_process();
    }
    [[nodiscard]] std::optional<ProcessInfo> parent_process() const {
        return ::multiprocessing::parent_process();
    }
    [[nodiscard]] std::vector<ProcessInfo> active_children() const {
        return ::multiprocessing::active_children();
    }
    void freeze_support() const { ::multiprocessing::freeze_support(); }
    Logger& get_logger() const { return ::multiprocessing::get_logger(); }
    Logger& log_to_stderr() const { return ::multiprocessing::log_to_stderr(); }
    Logger& log_to_stderr(LogLevel level) const { return ::multiprocessing::log_to_stderr(level); }

  private:
    void use_method(std::optional<StartMethod>& asked, const char* call) const {
        if (asked && *asked != method_)
            throw ValueError(std::string(call) + ": the options say " + to_string(*asked) +
                             ", the context is for " + to_string(method_));
        asked = method_;
    }

    StartMethod method_;
};

/// @returns the calls of the library with this start method
/// @par Python `multiprocessing.get_context(method)`
[[nodiscard]] inline Context get_context(StartMethod method) noexcept {
    return Context(method);
}
/// @returns the context of the default start method, which is then fixed
/// @par Python `multiprocessing.get_context()`
[[nodiscard]] inline Context get_context() {
    return Context(get_start_method());
}

}  // namespace v0
}  // namespace multiprocessing
