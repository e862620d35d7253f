// SPDX-License-Identifier: BSL-1.0
// From a checked call to a submitted job: what all pools do alike, whoever executes.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/pool/async_result.hpp>
#include <multiprocessing/pool/imap.hpp>
#include <multiprocessing/pool/inputs.hpp>
#include <multiprocessing/pool/options.hpp>
#include <multiprocessing/serialization/checks.hpp>
#include <multiprocessing/serialization/picklable.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

// ---- what the compiler refuses, one line each

template <class P>
inline constexpr bool all_picklable_in = false;
template <class... A>
inline constexpr bool all_picklable_in<pack<A...>> = (Picklable<A> && ...);

template <class F>
concept readable_call = known_callable<F> && !callable_of<F>::writes;
/// A call whose arguments and result can travel.
template <class F>
concept travelling_call = readable_call<F> && all_picklable_in<pack_of<F>> &&
    (std::is_void_v<result_of<F>> ||
     Picklable<std::conditional_t<std::is_void_v<result_of<F>>, int, result_of<F>>>);
/// A call that can travel with its function.
template <class F>
concept sendable_call = travelling_call<F> && Picklable<std::decay_t<F>>;

template <class F>
constexpr void check_readable() {
    (void)known_check<F>{};
    (void)writes_check<F>{};
}
template <class F>
constexpr void check_travelling() {
    check_readable<F>();
    if constexpr (readable_call<F>) {
        (void)arguments_check<pack_of<F>>{};
        (void)result_check<result_of<F>>{};
    }
}
template <class F>
constexpr void check_sendable() {
    check_travelling<F>();
    if constexpr (readable_call<F>)
        (void)function_check<F>{};
}

/// Whether a call is over when it returns, or still needs its input.
enum class call_kind { waits, returns };

/// Whether the elements of a range become items. Those that stand in place need not even be copied
/// for a call that waits.
template <class Range, class Item, call_kind Kind>
inline constexpr bool gives =
    std::convertible_to<std::ranges::range_reference_t<Range>, Item> ||
    std::constructible_from<Item, std::ranges::range_reference_t<Range>> ||
    (Kind == call_kind::waits && stays_in_place<Range, Item>);

template <class F, class Range, call_kind Kind>
struct items_check {
    static_assert(gives<Range, item_of<F>, Kind>,
                  "multiprocessing: the elements of this range do not convert to the function's "
                  "parameter");
};
template <class F, class Range, call_kind Kind>
struct rows_check {
    static_assert(gives<Range, tuple_of<F>, Kind>,
                  "multiprocessing: starmap wants a range of tuples or pairs that convert to the "
                  "function's parameters");
};
template <class Range>
struct finite_check {
    static_assert(!std::same_as<std::ranges::sentinel_t<Range>, std::unreachable_sentinel_t>,
                  "multiprocessing: this range has no end, so that map would never return: use "
                  "imap");
};

template <class Range>
concept finite = !std::same_as<std::ranges::sentinel_t<Range>, std::unreachable_sentinel_t>;

/// Say what is wrong with a call of F with the items of a range: nothing if it is `mappable`,
/// `star_mappable` or `lazily_mappable`. Statements of their own, not parts of an `if constexpr`: a
/// failed assertion there would be a second error.
template <class Backend, class F, class Range, call_kind Kind>
constexpr void check_items() {
    Backend::template check<F>();
    (void)unary_check<F>{};
    if constexpr (readable_call<F> && pack_of<F>::size == 1)
        (void)items_check<F, Range, Kind>{};
}
template <class Backend, class F, class Range, call_kind Kind>
constexpr void check_rows() {
    Backend::template check<F>();
    if constexpr (readable_call<F>)
        (void)rows_check<F, Range, Kind>{};
}
template <class Range>
constexpr void check_finite() {
    (void)finite_check<Range>{};
}

template <class F, class Range, call_kind Kind>
concept fits_items = pack_of<F>::size == 1 && gives<Range, item_of<F>, Kind>;

template <class Backend, class F, class Range>
inline constexpr bool lazily_mappable =
    Backend::template accepts<F>&& fits_items<F, Range, call_kind::returns>;
template <class Backend, class F, class Range, call_kind Kind>
inline constexpr bool mappable =
    Backend::template accepts<F>&& fits_items<F, Range, Kind>&& finite<Range>;
template <class Backend, class F, class Range, call_kind Kind>
inline constexpr bool star_mappable =
    Backend::template accepts<F>&& gives<Range, tuple_of<F>, Kind>&& finite<Range>;

/// The value of a call that the compiler refused already: there is no other error.
template <class T>
[[noreturn]] T refused() {
    throw ValueError("multiprocessing: this call does not compile");
}

// ---- submitting. A backend has `workers()`, `running()` (the executor), `runs_on()` (a shared_ptr
// to it), and the job templates `apply_job<Call>`, `map_job<Call, Items, Spread>`,
// `chunk_job<Call>`.

/// Takes `made` over. @returns its handle
template <class Backend, class Job, class OnResult, class OnError>
auto submit_job(Backend& backend, Job* made, OnResult& on_result, OnError& on_error) {
    auto owned = counted<job>::to_new(*made);
    set_callbacks(*made, made->cell(), on_result, on_error);
    auto handle = make_async_result(job_handle::to_new(*made), made->cell());
    backend.running().submit({&owned, 1});
    return handle;
}

template <class Backend, class Call>
auto submit_apply(Backend& backend, Call call, tuple_of<typename Call::callable> values,
                  const std::optional<Timeout>& timeout, Count retries,
                  typename callback_of<result_of<typename Call::callable>>::type&& on_result = {},
                  std::function<void(std::exception_ptr)>&& on_error = {}) {
    using job_type = typename Backend::template apply_job<Call>;
    job_limits limits;
    set_limits(limits, timeout, retries);
    return submit_job(backend,
                      new job_type(std::move(call), std::move(values), limits, backend.runs_on()),
                      on_result, on_error);
}

template <bool Spread, class Backend, class Call, class Items>
auto submit_map(
    Backend& backend, Call call, Items items, const std::optional<Count>& chunksize,
    const std::optional<Timeout>& timeout, Count retries,
    typename callback_of<list_of<result_of<typename Call::callable>>>::type&& on_result = {},
    std::function<void(std::exception_ptr)>&& on_error = {}) {
    using job_type = typename Backend::template map_job<Call, Items, Spread>;
    job_limits limits;
    limits.items = items.size();
    limits.chunk = chunk_for(chunksize, limits.items, backend.workers());
    set_limits(limits, timeout, retries);
    return submit_job(backend,
                      new job_type(std::move(call), std::move(items), limits, backend.runs_on()),
                      on_result, on_error);
}

/// Waits for a map whose input stays with the caller: if the wait is broken off, so is the map.
template <class T>
T finish_map(AsyncResult<T> handle) {
    try {
        handle.wait();
    } catch (...) {  // the input is not looked at again; what runs already, goes on
        multiprocessing::abandon(handle);
        throw;
    }
    return multiprocessing::sole_result(std::move(handle));
}

/// A braced list as a range that is valid in this full expression, and as one that is kept.
template <class Item>
std::span<const Item> refer_to(std::initializer_list<Item> items) {
    return {items.begin(), items.size()};
}
template <class F>
auto rows_of(braced_rows<F> rows) {
    std::vector<typename arguments_for<F>::tuple> tuples;
    tuples.reserve(rows.size());
    for (const auto& row : rows)
        tuples.push_back(row.values());
    return tuples;
}

/// How far an imap reads ahead unless it is told: 32 chunks a worker.
constexpr std::uint64_t default_buffersize(std::uint64_t chunksize, std::size_t workers) noexcept {
    const std::uint64_t chunks = 32 * std::max<std::uint64_t>(workers, 1);
    return chunksize > ~std::uint64_t{0} / chunks ? ~std::uint64_t{0} : chunks * chunksize;
}

template <class Backend, class Call, class Range>
auto submit_imap(Backend& backend, Call call, Range&& range, const ImapOptions& options,
                 bool ordered) {
    using function = typename Call::callable;
    using result = result_of<function>;
    using item = item_of<function>;
    using job_type = typename Backend::template chunk_job<Call>;
    backend.check_running();
    const std::uint64_t chunksize =
        options.chunksize ? options.chunksize->at_least(1, "chunksize") : 1;
    const std::uint64_t buffersize = options.buffersize
                                         ? options.buffersize->at_least(1, "buffersize")
                                         : default_buffersize(chunksize, backend.workers());
    job_limits limits;
    set_limits(limits, options.timeout, options.retries);
    auto make = [runs_on = backend.runs_on(), call = std::move(call), limits](
                    owned_items<item> items, const std::shared_ptr<finished_line>& line) {
        job_limits of_chunk = limits;
        of_chunk.items = of_chunk.chunk = items.size();
        auto* const made = new job_type(call, std::move(items), of_chunk, runs_on, line);
        return chunk_of_input<result>{counted<job>::to_new(*made), &made->results()};
    };
    using view = std::views::all_t<Range>;
    using source = range_source<result, view, item, decltype(make)>;
    return IMapIterator<result>(
        backend.runs_on(),
        std::make_unique<source>(backend.runs_on(), std::views::all(std::forward<Range>(range)),
                                 std::move(make)),
        chunksize, buffersize, ordered);
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
