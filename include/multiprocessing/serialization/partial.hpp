// SPDX-License-Identifier: BSL-1.0
// partial(f, bound...): a function with its first arguments bound, which can be sent.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/serialization/parts.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

template <std::size_t N, class P>
struct drop_first {
    using type = P;
};
template <std::size_t N, class T, class... Rest>
    requires(N > 0)
struct drop_first<N, pack<T, Rest...>> : drop_first<N - 1, pack<Rest...>> {};

template <class F, class P>
struct signature_from;
template <class F, class... A>
struct signature_from<F, pack<A...>> : signature<result_of<F>, A...> {
    static constexpr bool known = callable_of<F>::known;
    static constexpr bool writes = callable_of<F>::writes;
};

/// The parts of a partial_function, for the codec.
struct partial_access {
    template <class P>
    static auto members(P& partial) noexcept {
        return std::tie(partial.function_, partial.bound_);
    }
};

}  // namespace detail

/// What `partial` returns: a callable that is picklable if the function and the bound values are.
template <class F, class... Bound>
class partial_function {
  public:
    /// The parameters that are left. An unknown F stays unknown.
    using multiprocessing_signature = detail::signature_from<
        F, typename detail::drop_first<sizeof...(Bound), detail::pack_of<F>>::type>;

    partial_function() = default;
    template <class... B>
        requires(sizeof...(B) == sizeof...(Bound))
    explicit partial_function(F f, B&&... bound)
        : function_(std::move(f)), bound_(std::forward<B>(bound)...) {}

    template <class... A>
        requires std::invocable<const F&, const Bound&..., A...>
    decltype(auto) operator()(A&&... rest) const {
        return std::apply(
            [&](const Bound&... bound) -> decltype(auto) {
                return std::invoke(function_, bound..., std::forward<A>(rest)...);
            },
            bound_);
    }

  private:
    friend detail::partial_access;

    F function_{};
    std::tuple<Bound...> bound_;
};

namespace detail {

/// How a value is kept: decayed; a C string as a std::string, for its characters are the sender's
/// memory, unless the function wants just that pointer.
template <class Kept, class Parameter>
using bound_value =
    std::conditional_t<(std::is_same_v<Kept, const char*> ||
                        std::is_same_v<Kept, char*>)&&!std::is_same_v<Parameter, Kept>,
                       std::string, Kept>;

template <class F, class Parameters, class... Bound>
struct partial_of {
    using type = partial_function<F, std::decay_t<Bound>...>;
};
template <class F, class... A, class... Bound>
    requires(sizeof...(Bound) <= sizeof...(A))
struct partial_of<F, pack<A...>, Bound...> {
    template <std::size_t... I>
    static partial_function<
        F, bound_value<std::decay_t<Bound>, std::tuple_element_t<I, std::tuple<A...>>>...>
        made(std::index_sequence<I...>);
    using type = decltype(made(std::index_sequence_for<Bound...>()));
};

}  // namespace detail

/// Binds the first arguments of a function.
/// @param f a function, a member function (the object comes first) or a function object; a copy of
/// it is kept
/// @param bound copies of these are kept, of a string literal as a std::string; the call passes
/// them as const
/// @returns a callable for the parameters that are left, which can be sent if its parts can
/// @par Python `functools.partial(f, *args)`; keyword arguments do not exist.
template <class F, class... Bound>
[[nodiscard]] auto partial(F&& f, Bound&&... bound) {
    using Function = std::decay_t<F>;
    static_assert(
        !detail::known_callable<Function> || sizeof...(Bound) <= detail::pack_of<Function>::size,
        "multiprocessing::partial: more values than the function has parameters");
    return typename detail::partial_of<Function, detail::pack_of<Function>, Bound...>::type(
        std::forward<F>(f), std::forward<Bound>(bound)...);
}

namespace detail {

template <class F, class... Bound>
struct parts<partial_function<F, Bound...>> : made_of<kind::partial, F, Bound...> {};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
