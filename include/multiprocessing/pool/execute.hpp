// SPDX-License-Identifier: BSL-1.0
// Calls of typed functions in the worker: how arguments are read and the function is executed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/pool/run_execution.hpp>
#include <multiprocessing/serialization/pickle.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

// ---- one item's arguments

/// How the arguments of one call are written: one after the other.
template <class P>
struct arguments_codec;
template <class... A>
struct arguments_codec<pack<A...>> {
    static constexpr bool fixed = (bitwise<A> && ...);
    // No arguments at all still take one byte, so that items can be counted by their bytes.
    static constexpr std::uint32_t fixed_size =
        fixed ? static_cast<std::uint32_t>(std::max<std::size_t>((sizeof(A) + ... + 0), 1)) : 0;

    static void write(output_buffer& out, const A&... values) {
        (detail::save(out, values), ...);
        if constexpr (sizeof...(A) == 0)
            out.append_value(std::uint8_t{0});
    }
    /// Calls `f` with the arguments that stand at `place`, all of fixed size.
    template <class Function>
    static auto call(Function& f, const std::byte* place) {
        input_cursor in(std::span(place, fixed_size));
        return std::apply(f, read(in));
    }
    static std::tuple<A...> read(input_cursor& in) { return std::tuple<A...>{load<A>(in)...}; }
};

template <class F>
using codec_of = arguments_codec<pack_of<F>>;

// ---- in the worker

template <class F, class Function>
void execute_item(run_execution& run, Function& f) {
    try {
        auto values = codec_of<F>::read(run.arguments());
        if constexpr (std::is_void_v<result_of<F>>) {
            std::apply(f, std::move(values));
            run.nothing();
        } else {
            run.value<result_of<F>>(std::apply(f, std::move(values)));
        }
    } catch (...) {
        run.exception(std::current_exception());
    }
}

/// Items whose arguments and results are plain bytes are executed in a loop of their own: what
/// the loop does besides calling costs a few nanoseconds an item.
template <class F>
inline constexpr bool in_blocks =
    codec_of<F>::fixed&& pack_of<F>::size != 0 && bitwise<result_of<F>>;

template <class F, class Function>
void execute_items(run_execution& run, Function& f) {
    if constexpr (in_blocks<F>) {
        using result = result_of<F>;
        while (const run_execution::block given = run.next_block(sizeof(result))) {
            std::uint32_t done = 0;
            try {
                for (; done < given.items; ++done) {
                    given.progress.begin(done);
                    const result value = codec_of<F>::call(
                        f, given.arguments + std::size_t{done} * codec_of<F>::fixed_size);
                    run.leave_if_forked();
                    std::memcpy(given.results + done * sizeof(result), std::addressof(value),
                                sizeof(result));
                }
                run.end_block(given, done, sizeof(result));
            } catch (...) {
                run.leave_if_forked();
                run.end_block(given, done, sizeof(result));
                run.exception(std::current_exception());
            }
        }
    } else {
        while (run.next())
            execute_item<F>(run, f);
    }
}

/// The thunk of functions that travel with the call.
template <class F>
void execute_sent(run_execution& run) {
    using Function = std::decay_t<F>;
    std::optional<Function> f;
    std::exception_ptr error;
    try {
        input_cursor bytes = run.function();
        f.emplace(load<Function>(bytes));
    } catch (...) {
        error = std::current_exception();
    }
    if (f)
        return execute_items<F>(run, *f);
    while (run.next())
        run.exception(error);
}
/// The thunk of a function that the workers have since they started.
template <class F>
void execute_bound(run_execution& run) {
    auto& f = *static_cast<F*>(run.bound());
    execute_items<F>(run, f);
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
