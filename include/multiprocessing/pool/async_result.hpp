// SPDX-License-Identifier: BSL-1.0
// The result of a call that runs in a pool.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/serialization/parts.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What a callback is given: the result, or nothing.
template <class T>
struct callback_of {
    using type = std::function<void(const T&)>;
};
template <>
struct callback_of<void> {
    using type = std::function<void()>;
};

template <class T>
constexpr bool copyable();
template <class... T>
constexpr bool all_copyable(pack<T...>) {
    return (copyable<T>() && ...);
}
/// Whether a T can be copied; a vector of unique_ptr only says so.
template <class T>
constexpr bool copyable() {
    if constexpr (!std::is_copy_constructible_v<T>)
        return false;
    else if constexpr (parts<T>::how == kind::shared)
        return true;
    else
        return all_copyable(typename parts<T>::list{});
}

/// Where a job keeps what its AsyncResults hand out. Written under the executor's lock until the
/// job is ready, read only afterwards.
template <class T>
struct result_cell {
    std::shared_ptr<executor> runs_on;
    std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> value;
    std::exception_ptr error;
};

/// Has the outcome given to whichever function is there for it.
template <class T>
void set_callbacks(job& made, const result_cell<T>& cell, typename callback_of<T>::type& on_result,
                   std::function<void(std::exception_ptr)>& on_error) {
    if (!on_result && !on_error)
        return;
    made.set_callback([&cell, on_result = std::move(on_result), on_error = std::move(on_error)] {
        if (cell.error) {
            if (on_error)
                on_error(cell.error);
        } else if (on_result) {
            if constexpr (std::is_void_v<T>)
                on_result();
            else
                on_result(*cell.value);
        }
    });
}

}  // namespace detail

/// The result of `apply_async`, `map_async` or `starmap_async`: copies share it, as copies of a
/// `std::shared_future` do.
/// @note Any thread of the process that made the call. After the pool is gone, results that were
/// not there yet are CancelledErrors.
/// @par Python `multiprocessing.pool.AsyncResult`; `cancel` is new
template <class T>
class AsyncResult {
  public:
    using value_type = T;

    /// Refers to no call; every member but assignment throws ValueError.
    AsyncResult() = default;

    /// Waits for the call and returns its result.
    /// @throws what the call threw; TimeoutError when it ran longer than its `.timeout`;
    /// WorkerLostError, CancelledError, PicklingError, UnpicklingError; what made the pool unusable
    /// (ProcessError, what an initializer threw); KeyboardInterrupt under an InterruptGuard;
    /// ValueError when this names no call
    std::add_lvalue_reference_t<const T> get() const& requires(!std::is_void_v<T>) {
        wait();
        return result();
    }
    /// @param timeout how long to wait. @throws TimeoutError when the call took longer; it goes on
    std::add_lvalue_reference_t<const T> get(Timeout timeout) const& requires(!std::is_void_v<T>) {
        wait_or_throw(timeout);
        return result();
    }
    /// On an rvalue: moves the result out if this is the last copy, else copies it.
    /// @throws ValueError when it cannot be copied and there are other copies
    T get() && requires(!std::is_void_v<T>) {
        wait();
        return take();
    }
    T get(Timeout timeout) && requires(!std::is_void_v<T>) {
        wait_or_throw(timeout);
        return take();
    }
    void get() const requires(std::is_void_v<T>) {
        wait();
        check_error();
    }
    void get(Timeout timeout) const requires(std::is_void_v<T>) {
        wait_or_throw(timeout);
        check_error();
    }

    void wait() const { cell().runs_on->wait(job_->ready(), detail::Deadline()); }
    /// @returns whether the call is done
    bool wait(Timeout timeout) const {
        return cell().runs_on->wait(job_->ready(), detail::Deadline(timeout));
    }
    /// @throws ValueError in a process that was forked from the one that made the call
    [[nodiscard]] bool ready() const {
        if (!job_done())
            cell().runs_on->look();
        return job_done();
    }
    /// @returns whether the call ended without an exception
    /// @throws ValueError while it is not done
    [[nodiscard]] bool successful() const {
        if (!ready())
            throw ValueError("AsyncResult.successful: the call is not done yet");
        return cell().error == nullptr;
    }
    /// Gives the call up: what is queued never runs, the worker that executes it is killed and
    /// replaced. `get` then throws CancelledError.
    /// @returns false when it was done already
    bool cancel() const { return cell().runs_on->cancel(*job_); }

  private:
    template <class U>
    friend AsyncResult<U> make_async_result(detail::job_handle made, detail::result_cell<U>& cell);
    template <class U>
    friend U sole_result(AsyncResult<U>&& handle);
    template <class U>
    friend void abandon(const AsyncResult<U>& dropped) noexcept;

    AsyncResult(detail::job_handle made, detail::result_cell<T>& cell) noexcept
        : cell_(&cell), job_(std::move(made)) {}
    detail::result_cell<T>& cell() const {
        if (!job_)
            throw ValueError("AsyncResult: it refers to no call");
        return *cell_;
    }
    [[nodiscard]] bool job_done() const {
        return (void)cell(), job_->ready().load(std::memory_order_acquire);
    }
    void wait_or_throw(Timeout timeout) const {
        if (!wait(timeout))
            throw TimeoutError("AsyncResult.get: the call is not done in time");
    }
    void check_error() const {
        if (cell_->error)
            std::rethrow_exception(cell_->error);
    }
    const auto& result() const {
        check_error();
        return *cell_->value;
    }
    auto take() {
        check_error();
        if (job_->handles() == 1)
            return std::move(*cell_->value);
        if constexpr (detail::copyable<T>())
            return *cell_->value;
        else
            throw ValueError(
                "AsyncResult.get: the result cannot be copied, and this is not its only owner");
    }

    detail::result_cell<T>* cell_ = nullptr;  // a part of the job
    // Last, for an assignment may release the job in whose result the assigned handle lies.
    detail::job_handle job_;
};

/// For the pools: the first handle of a job that was just made.
template <class T>
AsyncResult<T> make_async_result(detail::job_handle made, detail::result_cell<T>& cell) {
    return AsyncResult<T>(std::move(made), cell);
}

/// For the pools: waits for a call to which there is no other handle.
template <class T>
T sole_result(AsyncResult<T>&& handle) {
    handle.wait();
    handle.check_error();
    if constexpr (!std::is_void_v<T>)
        return std::move(*handle.cell_->value);
}

/// For the pools: nobody will ask for this result.
template <class T>
void abandon(const AsyncResult<T>& dropped) noexcept {
    dropped.cell_->runs_on->abandon(*dropped.job_);
}

}  // namespace v0
}  // namespace multiprocessing
