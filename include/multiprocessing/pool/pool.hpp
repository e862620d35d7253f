// SPDX-License-Identifier: BSL-1.0
// Pool: a fixed number of worker processes that carry out calls.
#pragma once

#include <concepts>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/pool/call.hpp>
#include <multiprocessing/pool/calls.hpp>
#include <multiprocessing/pool/engine.hpp>
#include <multiprocessing/pool/options.hpp>
#include <multiprocessing/pool/pool_lifetime.hpp>
#include <multiprocessing/process/cpu_count.hpp>
#include <multiprocessing/process/freeze_support.hpp>
#include <multiprocessing/process/start_method.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Calls that travel to worker processes.
class process_backend {
  public:
    template <class F>
    using call = sent_function<F>;
    template <class Call>
    using apply_job = detail::apply_job<Call>;
    template <class Call, class Items, bool Spread>
    using map_job = detail::map_job<Call, Items, Spread>;
    template <class Call>
    using chunk_job = detail::chunk_job<Call>;

    template <class F>
    static constexpr bool accepts = sendable_call<F>;
    template <class F>
    static constexpr void check() {
        check_sendable<F>();
    }

    process_backend(const PoolOptions& options, std::unique_ptr<pool_setup> setup,
                    bound_thunk load_bound, std::span<const std::byte> bound) {
        worker_plan plan;
        plan.workers = options.processes
                           ? options.processes->at_least(1, "processes")
                           : static_cast<std::size_t>(std::max(1, process_cpu_count()));
        if (options.maxtasksperchild)
            plan.chunks_per_worker = options.maxtasksperchild->at_least(1, "maxtasksperchild");
        plan.method = named_or_default(options.start_method);
        setup->initializer = options.initializer.call();
        if (plan.method != StartMethod::fork) {
            heap_buffer steps;
            save_step(steps, reinterpret_cast<void*>(load_bound), bound);
            options.initializer.save(steps);
            setup->pickled.assign(steps.bytes().begin(), steps.bytes().end());
        }
        engine_ = engine::make(plan, std::move(setup));
    }

    [[nodiscard]] engine* get() const noexcept { return engine_.get(); }
    [[nodiscard]] std::size_t workers() const noexcept { return running().workers(); }
    [[nodiscard]] std::shared_ptr<executor> runs_on() const { return (void)running(), engine_; }
    void check_running() const { running().check_running(); }

    [[nodiscard]] engine& running() const {
        if (engine_ == nullptr)
            throw ValueError("Pool not running: it was moved from");
        return *engine_;
    }

  private:
    std::shared_ptr<engine> engine_;
};

/// Calls of the function that a pool is bound to.
class bound_backend : public process_backend {
  public:
    using process_backend::process_backend;

    template <class F>
    static constexpr bool accepts = travelling_call<F>;
    template <class F>
    static constexpr void check() {
        check_travelling<F>();
    }
};

}  // namespace detail

/// Worker processes that carry out calls of one function, which they have from the beginning: under
/// fork it may hold anything, for they inherit it; else it must be picklable. See Pool<> for what
/// the calls do.
/// @par Python has no bound pool; there a global variable and an initializer serve
template <class F = void>
class Pool : public detail::pool_lifetime<Pool<F>> {
    using R = detail::result_of<F>;
    using List = detail::list_of<R>;
    using Arguments = detail::arguments_for<F>;
    using Items = detail::braced_items<F>;
    using Rows = detail::braced_rows<F>;
    using Call = detail::bound_function<F>;
    using Backend = detail::bound_backend;

  public:
    /// @throws PicklingError under spawn and forkserver when `f` cannot be sent; ValueError;
    /// std::system_error, ProcessError when workers cannot be started
    explicit Pool(F f, PoolOptions options = {}) : backend_(make(std::move(f), options)) {
        Backend::check<F>();
    }
    Pool(Pool&&) noexcept = default;
    Pool& operator=(Pool&& other) noexcept {
        if (this != &other) {
            dismiss();
            backend_ = std::move(other.backend_);
        }
        return *this;
    }
    /// terminate() and join().
    ~Pool() { dismiss(); }

    R apply(Arguments args = {}, ApplyOptions options = {}) {
        if constexpr (Backend::accepts<F>)
            return multiprocessing::sole_result(detail::submit_apply(
                backend_, Call{}, std::move(args).take(), options.timeout, options.retries));
        else
            return detail::refused<R>();
    }
    AsyncResult<R> apply_async(Arguments args = {}, ApplyAsyncOptions<R> options = {}) {
        if constexpr (Backend::accepts<F>)
            return detail::submit_apply(backend_, Call{}, std::move(args).take(), options.timeout,
                                        options.retries, std::move(options.callback),
                                        std::move(options.error_callback));
        else
            return {};
    }

    template <detail::input_items In>
    List map(In&& items, MapOptions options = {}) {
        detail::check_finite<In>();
        detail::check_items<Backend, F, In, detail::call_kind::waits>();
        if constexpr (detail::mappable<Backend, F, In, detail::call_kind::waits>)
            return detail::finish_map(detail::submit_map<false>(
                backend_, Call{},
                detail::items_for_blocking<detail::item_of<F>>(std::forward<In>(items)),
                options.chunksize, options.timeout, options.retries));
        else
            return detail::refused<List>();
    }
    List map(Items items, MapOptions options = {}) {
        return map(detail::refer_to(items), std::move(options));
    }
    template <detail::input_items In>
    AsyncResult<List> map_async(In&& items, MapAsyncOptions<List> options = {}) {
        detail::check_finite<In>();
        detail::check_items<Backend, F, In, detail::call_kind::returns>();
        if constexpr (detail::mappable<Backend, F, In, detail::call_kind::returns>)
            return detail::submit_map<false>(
                backend_, Call{}, detail::owned_items<detail::item_of<F>>(std::forward<In>(items)),
                options.chunksize, options.timeout, options.retries, std::move(options.callback),
                std::move(options.error_callback));
        else
            return {};
    }
    AsyncResult<List> map_async(Items items, MapAsyncOptions<List> options = {}) {
        return map_async(detail::refer_to(items), std::move(options));
    }

    template <detail::input_items In>
    List starmap(In&& rows, MapOptions options = {}) {
        detail::check_finite<In>();
        detail::check_rows<Backend, F, In, detail::call_kind::waits>();
        if constexpr (detail::star_mappable<Backend, F, In, detail::call_kind::waits>)
            return detail::finish_map(detail::submit_map<true>(
                backend_, Call{},
                detail::items_for_blocking<detail::tuple_of<F>>(std::forward<In>(rows)),
                options.chunksize, options.timeout, options.retries));
        else
            return detail::refused<List>();
    }
    List starmap(Rows rows, MapOptions options = {}) {
        return starmap(detail::rows_of<F>(rows), std::move(options));
    }
    template <detail::input_items In>
    AsyncResult<List> starmap_async(In&& rows, MapAsyncOptions<List> options = {}) {
        detail::check_finite<In>();
        detail::check_rows<Backend, F, In, detail::call_kind::returns>();
        if constexpr (detail::star_mappable<Backend, F, In, detail::call_kind::returns>)
            return detail::submit_map<true>(
                backend_, Call{}, detail::owned_items<detail::tuple_of<F>>(std::forward<In>(rows)),
                options.chunksize, options.timeout, options.retries, std::move(options.callback),
                std::move(options.error_callback));
        else
            return {};
    }
    AsyncResult<List> starmap_async(Rows rows, MapAsyncOptions<List> options = {}) {
        return starmap_async(detail::rows_of<F>(rows), std::move(options));
    }

    template <detail::input_items In>
    IMapIterator<R> imap(In&& items, ImapOptions options = {}) {
        detail::check_items<Backend, F, In, detail::call_kind::returns>();
        if constexpr (detail::lazily_mappable<Backend, F, In>)
            return detail::submit_imap(backend_, Call{}, std::forward<In>(items), options, true);
        else
            return detail::refused<IMapIterator<R>>();
    }
    IMapIterator<R> imap(Items items, ImapOptions options = {}) {
        return imap(std::vector<detail::item_or_any<F>>(items), std::move(options));
    }
    template <detail::input_items In>
    IMapIterator<R> imap_unordered(In&& items, ImapOptions options = {}) {
        detail::check_items<Backend, F, In, detail::call_kind::returns>();
        if constexpr (detail::lazily_mappable<Backend, F, In>)
            return detail::submit_imap(backend_, Call{}, std::forward<In>(items), options, false);
        else
            return detail::refused<IMapIterator<R>>();
    }
    IMapIterator<R> imap_unordered(Items items, ImapOptions options = {}) {
        return imap_unordered(std::vector<detail::item_or_any<F>>(items), std::move(options));
    }

    /// For pool_lifetime.
    [[nodiscard]] const detail::process_backend& backend_of_pool() const noexcept {
        return backend_;
    }

  private:
    static std::shared_ptr<void> load_bound(detail::input_cursor& bytes) {
        return std::make_shared<F>(detail::load<F>(bytes));
    }
    static Backend make(F f, const PoolOptions& options) {
        auto setup = std::make_unique<detail::pool_setup>();
        detail::heap_buffer bytes;
        detail::bound_thunk thunk = nullptr;
        if (detail::named_or_default(options.start_method) != StartMethod::fork) {
            if constexpr (Picklable<F>) {
                thunk = &load_bound;
                detail::save(bytes, f);
            } else {
                throw PicklingError(
                    "Pool: its function cannot be pickled: under spawn and forkserver it must be a "
                    "function, a lambda without captures or multiprocessing::partial(f, bound...)");
            }
        }
        setup->bound = std::make_shared<F>(std::move(f));
        return Backend(options, std::move(setup), thunk, bytes.bytes());
    }
    void dismiss() noexcept {
        if (backend_.get() != nullptr)
            backend_.get()->dismiss();
    }

    Backend backend_;
};

/// Worker processes that carry out calls of any functions that can be sent.
///
/// Under fork all workers come from a copy of this process made by the constructor: as heavy as
/// this process (1 GiB resident: 20 ms, and as much for each worker), and made by fork, so
/// construct the pool before the program starts threads. Under spawn and forkserver they come from
/// the program executed anew, at the same small cost whatever the size of this process; main must
/// then begin with `freeze_support()`.
/// @note Any thread. A worker that dies fails the call that it executes with WorkerLostError; other
/// calls go on, and it is replaced.
/// @par Python `multiprocessing.Pool`
template <>
class Pool<void> : public detail::free_calls<detail::process_backend>,
                   public detail::pool_lifetime<Pool<void>> {
  public:
    /// @param processes how many workers
    template <std::integral N>
    explicit Pool(N processes) : Pool(PoolOptions{.processes = processes}) {}
    /// @throws ValueError for `processes` or `maxtasksperchild` below 1; PicklingError when the
    /// initializer cannot be sent; std::system_error, ProcessError when workers cannot be started
    explicit Pool(PoolOptions options = {})
        : free_calls(detail::process_backend(options, std::make_unique<detail::pool_setup>(),
                                             nullptr, {})) {}
    Pool(Pool&&) noexcept = default;
    Pool& operator=(Pool&& other) noexcept {
        if (this != &other) {
            dismiss();
            backend_ = std::move(other.backend_);
        }
        return *this;
    }
    /// terminate() and join().
    ~Pool() { dismiss(); }

    /// For pool_lifetime.
    [[nodiscard]] const detail::process_backend& backend_of_pool() const noexcept {
        return backend_;
    }

  private:
    void dismiss() noexcept {
        if (backend_.get() != nullptr)
            backend_.get()->dismiss();
    }
};

Pool()->Pool<>;
Pool(PoolOptions)->Pool<>;
template <std::integral N>
Pool(N) -> Pool<>;
template <class F>
    requires(detail::known_callable<F>)
Pool(F, PoolOptions = {})
->Pool<F>;

}  // namespace v0
}  // namespace multiprocessing
