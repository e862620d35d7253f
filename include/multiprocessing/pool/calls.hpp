// SPDX-License-Identifier: BSL-1.0
// The calls of a pool that is given a function each time; Pool<> and ThreadPool have them.
#pragma once

#include <concepts>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/pool/submit.hpp>
#include <multiprocessing/serialization/arguments.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

template <class F>
concept task_function =
    std::is_function_v<std::remove_reference_t<F>> || std::is_object_v<std::remove_reference_t<F>>;

/// @note Any thread may call; several at once, too. All throw ValueError("Pool not running") after
/// close() or terminate(), and what broke the pool if it is broken.
template <class Backend>
class free_calls {
    template <class F>
    using call_of = typename Backend::template call<std::decay_t<F>>;

  public:
    /// Calls `f` in a worker and waits. @par Python `Pool.apply(func, args)`
    /// @throws what the call throws; see AsyncResult::get
    template <task_function F>
    result_of<F> apply(F&& f, std::type_identity_t<arguments_for<F>> args = {},
                       ApplyOptions options = {}) {
        Backend::template check<F>();
        if constexpr (Backend::template accepts<F>)
            return multiprocessing::sole_result(
                submit_apply(backend_, call_of<F>{std::forward<F>(f)}, std::move(args).take(),
                             options.timeout, options.retries));
        else
            return refused<result_of<F>>();
    }

    /// Calls `f` in a worker. @par Python `Pool.apply_async(func, args, callback, error_callback)`
    template <task_function F>
    AsyncResult<result_of<F>> apply_async(F&& f, std::type_identity_t<arguments_for<F>> args = {},
                                          ApplyAsyncOptions<result_of<F>> options = {}) {
        Backend::template check<F>();
        if constexpr (Backend::template accepts<F>)
            return submit_apply(backend_, call_of<F>{std::forward<F>(f)}, std::move(args).take(),
                                options.timeout, options.retries, std::move(options.callback),
                                std::move(options.error_callback));
        else
            return {};
    }

    /// Calls `f` with each item and waits for all. @returns the results in the order of the items
    /// @throws what the first item that failed threw, after all items are done; ValueError for a
    /// chunksize below 1. @par Python `Pool.map(func, iterable, chunksize)`
    template <task_function F, input_items In>
    list_of<result_of<F>> map(F&& f, In&& items, MapOptions options = {}) {
        check_finite<In>();
        check_items<Backend, F, In, call_kind::waits>();
        if constexpr (mappable<Backend, F, In, call_kind::waits>)
            return finish_map(
                submit_map<false>(backend_, call_of<F>{std::forward<F>(f)},
                                  items_for_blocking<item_of<F>>(std::forward<In>(items)),
                                  options.chunksize, options.timeout, options.retries));
        else
            return refused<list_of<result_of<F>>>();
    }
    template <task_function F>
    list_of<result_of<F>> map(F&& f, braced_items<F> items, MapOptions options = {}) {
        return map(std::forward<F>(f), refer_to(items), std::move(options));
    }

    /// @par Python `Pool.map_async(func, iterable, chunksize, callback, error_callback)`
    template <task_function F, input_items In>
    AsyncResult<list_of<result_of<F>>> map_async(
        F&& f, In&& items, MapAsyncOptions<list_of<result_of<F>>> options = {}) {
        check_finite<In>();
        check_items<Backend, F, In, call_kind::returns>();
        if constexpr (mappable<Backend, F, In, call_kind::returns>)
            return submit_map<false>(backend_, call_of<F>{std::forward<F>(f)},
                                     owned_items<item_of<F>>(std::forward<In>(items)),
                                     options.chunksize, options.timeout, options.retries,
                                     std::move(options.callback),
                                     std::move(options.error_callback));
        else
            return {};
    }
    template <task_function F>
    AsyncResult<list_of<result_of<F>>> map_async(
        F&& f, braced_items<F> items, MapAsyncOptions<list_of<result_of<F>>> options = {}) {
        return map_async(std::forward<F>(f), refer_to(items), std::move(options));
    }

    /// Calls `f` with the members of each tuple as its arguments.
    /// @par Python `Pool.starmap(func, iterable, chunksize)`
    template <task_function F, input_items In>
    list_of<result_of<F>> starmap(F&& f, In&& rows, MapOptions options = {}) {
        check_finite<In>();
        check_rows<Backend, F, In, call_kind::waits>();
        if constexpr (star_mappable<Backend, F, In, call_kind::waits>)
            return finish_map(
                submit_map<true>(backend_, call_of<F>{std::forward<F>(f)},
                                 items_for_blocking<tuple_of<F>>(std::forward<In>(rows)),
                                 options.chunksize, options.timeout, options.retries));
        else
            return refused<list_of<result_of<F>>>();
    }
    template <task_function F>
    list_of<result_of<F>> starmap(F&& f, braced_rows<F> rows, MapOptions options = {}) {
        return starmap(std::forward<F>(f), rows_of<F>(rows), std::move(options));
    }

    /// @par Python `Pool.starmap_async(func, iterable, chunksize, callback, error_callback)`
    template <task_function F, input_items In>
    AsyncResult<list_of<result_of<F>>> starmap_async(
        F&& f, In&& rows, MapAsyncOptions<list_of<result_of<F>>> options = {}) {
        check_finite<In>();
        check_rows<Backend, F, In, call_kind::returns>();
        if constexpr (star_mappable<Backend, F, In, call_kind::returns>)
            return submit_map<true>(backend_, call_of<F>{std::forward<F>(f)},
                                    owned_items<tuple_of<F>>(std::forward<In>(rows)),
                                    options.chunksize, options.timeout, options.retries,
                                    std::move(options.callback), std::move(options.error_callback));
        else
            return {};
    }
    template <task_function F>
    AsyncResult<list_of<result_of<F>>> starmap_async(
        F&& f, braced_rows<F> rows, MapAsyncOptions<list_of<result_of<F>>> options = {}) {
        return starmap_async(std::forward<F>(f), rows_of<F>(rows), std::move(options));
    }

    /// Calls `f` with each item, lazily: see IMapIterator. An lvalue range is referred to, an
    /// rvalue is kept. @returns the results in the order of the items
    /// @throws ValueError for a chunksize or buffersize below 1
    /// @par Python `Pool.imap(func, iterable, chunksize)`, which draws all input at once
    template <task_function F, input_items In>
    IMapIterator<result_of<F>> imap(F&& f, In&& items, ImapOptions options = {}) {
        check_items<Backend, F, In, call_kind::returns>();
        if constexpr (lazily_mappable<Backend, F, In>)
            return submit_imap(backend_, call_of<F>{std::forward<F>(f)}, std::forward<In>(items),
                               options, true);
        else
            return refused<IMapIterator<result_of<F>>>();
    }
    template <task_function F>
    IMapIterator<result_of<F>> imap(F&& f, braced_items<F> items, ImapOptions options = {}) {
        return imap(std::forward<F>(f), std::vector<item_or_any<F>>(items), std::move(options));
    }

    /// The same, in the order in which they are done. @par Python `Pool.imap_unordered`
    template <task_function F, input_items In>
    IMapIterator<result_of<F>> imap_unordered(F&& f, In&& items, ImapOptions options = {}) {
        check_items<Backend, F, In, call_kind::returns>();
        if constexpr (lazily_mappable<Backend, F, In>)
            return submit_imap(backend_, call_of<F>{std::forward<F>(f)}, std::forward<In>(items),
                               options, false);
        else
            return refused<IMapIterator<result_of<F>>>();
    }
    template <task_function F>
    IMapIterator<result_of<F>> imap_unordered(F&& f, braced_items<F> items,
                                              ImapOptions options = {}) {
        return imap_unordered(std::forward<F>(f), std::vector<item_or_any<F>>(items),
                              std::move(options));
    }

  protected:
    explicit free_calls(Backend backend) : backend_(std::move(backend)) {}
    free_calls(free_calls&&) noexcept = default;
    free_calls& operator=(free_calls&&) noexcept = default;
    ~free_calls() = default;

    Backend backend_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
