// SPDX-License-Identifier: BSL-1.0
// The argument list of a call, `{a, b}` or a std::tuple, converted to the function's parameter
// types.
#pragma once

#include <concepts>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/serialization/checks.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A tuple or pair that converts to the list `Tuple`. One that converts to a function's only
/// parameter is that argument, no list.
template <class Tuple, class T>
concept converts_to_list = std::same_as<std::remove_cvref_t<T>, Tuple> ||
    (requires { std::tuple_size<std::remove_cvref_t<T>>::value; } && std::tuple_size_v<Tuple> > 0 &&
     std::tuple_size_v<std::remove_cvref_t<T>> == std::tuple_size_v<Tuple> &&
     std::is_convertible_v<T, Tuple> &&
     !(std::tuple_size_v<Tuple> == 1 && std::is_convertible_v<T, std::tuple_element_t<0, Tuple>>));

// Copies and moves of the list itself, and tuples, have constructors of their own.
template <class List, class... U>
inline constexpr bool is_list_or_tuple = sizeof...(U) == 1 &&
                                         ((std::same_as<std::remove_cvref_t<U>, List> ||
                                           converts_to_list<typename List::tuple, U>) ||
                                          ...);

}  // namespace detail

/// The arguments of a call to a function with the decayed parameters A... A braced list
/// and a tuple or a pair of what converts to A... convert to it; an rvalue moves in.
/// @note Any other list converts too, and is then refused by one `static_assert` that says why:
/// constraints would say no more than "no matching function".
/// @par Python `args=(a, b)`
template <class... A>
class arguments {
  public:
    using tuple = std::tuple<A...>;

    arguments() requires(sizeof...(A) == 0) = default;

    arguments(const A&... values) requires(sizeof...(A) > 0 && (std::copy_constructible<A> && ...))
        : values_(values...) {}

    template <class... U>
        requires(sizeof...(U) == sizeof...(A) && sizeof...(A) > 0 &&
                 !detail::is_list_or_tuple<arguments, U...> && (std::is_convertible_v<U, A> && ...))
    arguments(U&&... values) : values_(std::forward<U>(values)...) {}

    template <class T>
        requires detail::converts_to_list<tuple, T> arguments(T&& values)
            : values_(std::forward<T>(values)) {}

        // Another number than the function has parameters.
        template <class... U>
            requires(sizeof...(U) != sizeof...(A) && !detail::is_list_or_tuple<arguments, U...>)
        arguments(U&&...) {
            static_assert(sizeof...(U) == sizeof...(A),
                          "multiprocessing: the list holds another number of arguments than the "
                          "function has parameters (default arguments do not count)");
        }

        // As many, but of other types.
        template <class... U>
            requires(sizeof...(U) == sizeof...(A) && sizeof...(A) > 0 &&
                     !detail::is_list_or_tuple<arguments, U...> &&
                     !(std::is_convertible_v<U, A> && ...))
        arguments(U&&...) {
            static_assert((std::is_convertible_v<U, A> && ...),
                          "multiprocessing: an argument in the list does not convert to the "
                          "function's parameter");
        }

        [[nodiscard]] const tuple& values() const& noexcept {
            return values_;
        }
        [[nodiscard]] tuple take() && {
            return std::move(values_);
        }

      private:
        tuple values_;
};

namespace detail {

template <class P>
struct arguments_from;
template <class... A>
struct arguments_from<pack<A...>> {
    using type = arguments<A...>;
};

// Stands in for the list of a function that cannot be read: the list must not be a second error.
struct unknown_arguments {
    using tuple = std::tuple<>;
    unknown_arguments() = default;
    template <class... U>
        requires(!std::is_same_v<std::remove_cvref_t<U>, unknown_arguments> && ...)
    unknown_arguments(U&&...) {}
    [[nodiscard]] tuple values() const { return {}; }
    [[nodiscard]] tuple take() && { return {}; }
};

template <class F>
struct list_for {
    using type = unknown_arguments;
};
template <known_callable F>
struct list_for<F> : arguments_from<pack_of<F>> {};

/// The argument list of F.
template <class F>
using arguments_for = typename list_for<F>::type;

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
