// SPDX-License-Identifier: BSL-1.0
// What can be read off a callable's type: the parameters that a call needs and the result it gives.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A list of types.
template <class... T>
struct pack {
    static constexpr std::size_t size = sizeof...(T);
};

template <class P>
struct first_of {
    using type = void;
};
template <class T, class... Rest>
struct first_of<pack<T, Rest...>> {
    using type = T;
};

template <class P>
struct tuple_from;
template <class... T>
struct tuple_from<pack<T...>> {
    using type = std::tuple<T...>;
};

/// The parameters and the result of a call, decayed, because copies of them travel.
/// `writes`: a parameter is a reference to non-const, through which a callee would change a copy.
template <class R, class... A>
struct signature {
    using result = std::decay_t<R>;
    using args = pack<std::decay_t<A>...>;
    static constexpr bool known = true;
    static constexpr bool writes =
        ((std::is_lvalue_reference_v<A> && !std::is_const_v<std::remove_reference_t<A>>) || ...);
};

/// Stands in where nothing can be read, so that one static_assert speaks and nothing else fails.
struct unknown_signature {
    using result = int;
    using args = pack<>;
    static constexpr bool known = false;
    static constexpr bool writes = false;
};

template <class M>
struct method;
#define MULTIPROCESSING_METHOD(...)                        \
    template <class C, class R, class... A>                \
    struct method<R (C::*)(A...) __VA_ARGS__> {            \
        using plain = signature<R, A...>;                  \
        using bound = signature<R, std::decay_t<C>, A...>; \
    };
MULTIPROCESSING_METHOD()
MULTIPROCESSING_METHOD(const)
MULTIPROCESSING_METHOD(&)
MULTIPROCESSING_METHOD(const&)
MULTIPROCESSING_METHOD(noexcept)
MULTIPROCESSING_METHOD(const noexcept)
MULTIPROCESSING_METHOD(&noexcept)
MULTIPROCESSING_METHOD(const& noexcept)
#undef MULTIPROCESSING_METHOD

/// Callables of the library name their signature, for theirs cannot be read off `operator()`.
template <class F>
concept names_signature = requires {
    typename F::multiprocessing_signature;
};

template <class F>
concept has_one_call = std::is_class_v<F> && !names_signature<F> && requires {
    &F::operator();
};

template <class F>
struct callable : unknown_signature {};
// Deduced from an address, for with clang [[noreturn]] belongs to the type of a function, which
// then is no R(A...), though its address converts to R (*)(A...); so does that of a noexcept
// function.
template <class R, class... A>
signature<R, A...> signature_at(R (*)(A...));
template <class F>
    requires std::is_function_v<F> && requires(F* f) {
        detail::signature_at(f);
    }
struct callable<F> : decltype(detail::signature_at(static_cast<F*>(nullptr))) {};
template <class F>
    requires std::is_member_function_pointer_v<F>
struct callable<F> : method<F>::bound {
};
template <has_one_call F>
struct callable<F> : method<decltype(&F::operator())>::plain {};
template <names_signature F>
struct callable<F> : F::multiprocessing_signature {};

// A function, a reference or a pointer to one, and a function object of any value category are the
// same callable.
template <class F>
using callable_of = callable<std::remove_cv_t<std::remove_pointer_t<std::remove_cvref_t<F>>>>;

/// The parameters of F can be read: it is neither overloaded nor generic.
template <class F>
concept known_callable = callable_of<F>::known;

/// The decayed result; `int` for a callable that is not known.
template <class F>
using result_of = typename callable_of<F>::result;

/// What a condition waits for: called without arguments, it says something true or false.
template <class P>
concept awaitable_predicate = requires(P& predicate) {
    static_cast<bool>(predicate());
};

/// `pack` of the decayed parameters; of a member function the object comes first.
template <class F>
using pack_of = typename callable_of<F>::args;

/// The first decayed parameter, `void` if there is none.
template <class F>
using item_of = typename first_of<pack_of<F>>::type;

/// `std::tuple` of the decayed parameters.
template <class F>
using tuple_of = typename tuple_from<pack_of<F>>::type;

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
