// SPDX-License-Identifier: BSL-1.0
// What the compiler says when a call cannot be sent to another process: one line for each mistake.
#pragma once

#include <cstddef>
#include <type_traits>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/serialization/picklable.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

// A static_assert takes a literal, so the advice that several share is a macro.
#define MULTIPROCESSING_ADVICE                                                                  \
    " to be sent to another process. Raw pointers, references, views (std::string_view, "       \
    "std::span, const char*), std::function, mutexes, threads and lambdas with captures never " \
    "can. Make the class an aggregate of picklable members, give it a Boost.Serialization "     \
    "serialize() and a default constructor, or pass a handle such as multiprocessing::Value. "  \
    "The lines around this one name the type"

template <class T>
struct argument_check {
    static_assert(Picklable<T>, "multiprocessing: an argument of this type cannot be pickled"  //
                  MULTIPROCESSING_ADVICE);
};

/// Checks each type of a `pack` of parameters. Not as bases: two parameters of one type would be
/// the same base twice, a second error. Not in a static member: that is looked at only when it is
/// used.
template <class P>
struct arguments_check;
template <class... A>
struct arguments_check<pack<A...>> {
    char checked[(sizeof(argument_check<A>) + ... + 1)];
};

template <class T>
struct result_check {
    static_assert(std::is_void_v<T> || Picklable<T>,
                  "multiprocessing: the result of this function cannot be pickled"  //
                  MULTIPROCESSING_ADVICE);
};
#undef MULTIPROCESSING_ADVICE

template <class F>
struct function_check {
    static_assert(Picklable<std::decay_t<F>>,
                  "multiprocessing: this function object cannot be pickled to be sent to a worker "
                  "that already runs: use a function, a lambda without captures or "
                  "multiprocessing::partial(f, bound...), or bind it when the workers start: "
                  "multiprocessing::Pool pool(f)");
};

template <class F>
struct known_check {
    static_assert(known_callable<F>,
                  "multiprocessing: the parameter types of this function cannot be read, because "
                  "it is generic, overloaded or no function: wrap it in a lambda whose parameters "
                  "have named types");
};

template <class F>
struct writes_check {
    static_assert(!callable_of<F>::writes,
                  "multiprocessing: a parameter of this function is a reference to non-const, "
                  "through which it would change a copy: take it by value or by const reference "
                  "and return what changed, or pass a handle such as multiprocessing::Value");
};

template <class F>
struct unary_check {
    static_assert(!known_callable<F> || pack_of<F>::size == 1,
                  "multiprocessing: map and imap call a function of one parameter: use starmap "
                  "with a range of tuples for several");
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
