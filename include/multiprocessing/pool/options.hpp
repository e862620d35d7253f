// SPDX-License-Identifier: BSL-1.0
// The options of pools and of their calls: aggregates for designated initializers.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/count.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/pool/async_result.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/worker.hpp>
#include <multiprocessing/process/start_method.hpp>
#include <multiprocessing/serialization/pickle.hpp>

namespace multiprocessing {
inline namespace v0 {

/// What each worker calls when it starts: a callable without parameters.
/// @note Under spawn and forkserver it must be picklable, else the pool's constructor throws
/// PicklingError; under fork anything callable will do.
class Initializer {
  public:
    Initializer() = default;
    template <class F>
        requires(std::invocable<std::decay_t<F>&> && !std::same_as<std::decay_t<F>, Initializer>)
    Initializer(F&& f) : call_(std::decay_t<F>(f)) {
        using Function = std::decay_t<F>;
        if constexpr (Picklable<Function>) {
            thunk_ = &run<Function>;
            detail::heap_buffer bytes;
            detail::save(bytes, Function(std::forward<F>(f)));
            pickled_.assign(bytes.bytes().begin(), bytes.bytes().end());
        }
    }

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(call_); }
    [[nodiscard]] const std::function<void()>& call() const noexcept { return call_; }
    /// @throws PicklingError when the callable cannot be sent
    void save(detail::output_buffer& out) const {
        if (call_ && thunk_ == nullptr)
            throw PicklingError(
                "Pool: the initializer cannot be pickled: under spawn and forkserver it must be a "
                "function, or a function object that can be sent");
        detail::save_step(out, reinterpret_cast<void*>(thunk_), pickled_);
    }

  private:
    template <class Function>
    static void run(detail::input_cursor& bytes) {
        auto f = detail::load<Function>(bytes);
        f();
    }

    std::function<void()> call_;
    detail::initializer_thunk thunk_ = nullptr;
    std::vector<std::byte> pickled_;
};

/// `processes`: how many workers, at least 1, default `process_cpu_count()`. `initializer`: called
/// in each worker before its first task; if it throws, the pool is broken with that exception.
/// `maxtasksperchild`: a worker is replaced after so many tasks (chunks), at least 1.
/// `start_method`: default `get_start_method()`.
struct PoolOptions {
    std::optional<Count> processes = {};
    Initializer initializer = {};
    std::optional<Count> maxtasksperchild = {};
    std::optional<StartMethod> start_method = {};
};

/// `timeout`: the call may run so long, then it fails with TimeoutError and its worker is killed.
/// `retries`: if its worker dies it is run again so often before it fails with WorkerLostError.
struct ApplyOptions {
    std::optional<Timeout> timeout = {};
    Count retries = 0;
};

/// Callbacks run in a thread of the pool, one at a time, before `ready()` turns true. They should
/// be short: while one is busy, deaths and time limits of calls that nobody waits for are not
/// noticed.
template <class R>
struct ApplyAsyncOptions {
    std::optional<Timeout> timeout = {};
    Count retries = 0;
    typename detail::callback_of<R>::type callback = {};
    std::function<void(std::exception_ptr)> error_callback = {};
};

/// `chunksize`: so many items are one task, at least 1; default such that each worker gets about
/// four. `timeout` and `retries` hold for each item.
struct MapOptions {
    std::optional<Count> chunksize = {};
    std::optional<Timeout> timeout = {};
    Count retries = 0;
};

template <class List>
struct MapAsyncOptions {
    std::optional<Count> chunksize = {};
    std::optional<Timeout> timeout = {};
    Count retries = 0;
    typename detail::callback_of<List>::type callback = {};
    std::function<void(std::exception_ptr)> error_callback = {};
};

/// `chunksize`: default 1. `buffersize`: so many items, at least 1, are drawn from the input before
/// their results are; default thirty-two chunks for each worker.
struct ImapOptions {
    std::optional<Count> chunksize = {};
    std::optional<Count> buffersize = {};
    std::optional<Timeout> timeout = {};
    Count retries = 0;
};

namespace detail {

inline void set_limits(job_limits& limits, const std::optional<Timeout>& timeout, Count retries) {
    // Zero means no limit in job_limits; a timeout of zero is over at once.
    if (timeout)
        limits.timeout = std::max(timeout->count(), std::chrono::nanoseconds(1));
    limits.retries = static_cast<unsigned>(
        std::min<std::uint64_t>(retries.at_least(0, "retries"), 1'000'000'000));
}

/// Python's default: about four chunks for each worker.
inline std::uint64_t chunk_for(const std::optional<Count>& asked, std::uint64_t items,
                               std::size_t workers) {
    if (asked)
        return asked->at_least(1, "chunksize");
    const std::uint64_t parts = 4 * std::max<std::size_t>(workers, 1);
    return std::max<std::uint64_t>(1, (items + parts - 1) / parts);
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
