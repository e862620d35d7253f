// SPDX-License-Identifier: BSL-1.0
// Which types can cross to another process (Picklable), and which travel as their own bytes.
#pragma once

#include <boost/serialization/is_bitwise_serializable.hpp>
#include <boost/serialization/serialization.hpp>
#include <concepts>
#include <exception>
#include <type_traits>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/serialization/aggregate.hpp>
#include <multiprocessing/serialization/parts.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// An archive that only overload resolution sees: is there a `serialize` for a type?
struct probe_archive {
    using is_saving = std::false_type;
    using is_loading = std::false_type;
    template <class T>
    probe_archive& operator&(const T&);
    template <class T>
    probe_archive& operator<<(const T&);
    template <class T>
    probe_archive& operator>>(T&&);
};
struct nothing_found {};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing

namespace boost::serialization {
// Better than Boost's own catch-all for the probe, ambiguous with a `serialize` written for T.
template <class T>
multiprocessing::detail::nothing_found serialize(multiprocessing::detail::probe_archive&, T&,
                                                 const unsigned int);
}  // namespace boost::serialization

namespace multiprocessing {
inline namespace v0 {
namespace detail {

// The argument of type version_type makes boost::serialization an associated namespace.
template <class T>
concept no_free_serialize = requires(probe_archive& archive, T& value,
                                     boost::serialization::version_type version) {
    { serialize(archive, value, version) } -> std::same_as<nothing_found>;
};

// A member named serialize makes the name ambiguous in a class that inherits another one; this sees
// private members too, which boost::serialization::access may call.
struct named_serialize {
    void serialize();
};
template <class T>
struct with_named_serialize : T, named_serialize {};
template <class T>
concept member_serialize = (!std::is_final_v<T> &&
                            !requires { &with_named_serialize<T>::serialize; }) ||
                           (std::is_final_v<T> &&
                            requires(T & t, probe_archive& archive) { t.serialize(archive, 0u); });

/// A class with a Boost.Serialization `serialize`, a member or a function.
template <class T>
concept boost_serializable = std::is_class_v<T> &&(!no_free_serialize<T> || member_serialize<T>);

/// A handle of this library: what travels is the name of the shared object.
template <class T>
concept handle = requires {
    typename T::multiprocessing_handle;
};

/// An object whose type is all it holds: a lambda without captures, `std::less<>`. No byte travels.
template <class F>
concept stateless = std::is_class_v<F> && std::is_empty_v<F> &&
    std::is_default_constructible_v<F> && std::is_trivially_copyable_v<F>;

template <class T>
concept code_pointer = std::is_member_function_pointer_v<T> ||
    (std::is_pointer_v<T>&& std::is_function_v<std::remove_pointer_t<T>>);

/// How a type travels. The archive and Picklable decide by this one function.
enum class route { none, number, code, handle, standard, boost, bytes, nothing, aggregate };

template <class T>
constexpr route route_of() {
    if constexpr (std::is_reference_v<T> || std::is_void_v<T> || std::is_volatile_v<T>)
        return route::none;
    else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>)
        return route::number;
    else if constexpr (code_pointer<T>)
        return route::code;
    else if constexpr (handle<T>)
        return route::handle;
    else if constexpr (parts<T>::how != kind::none)
        return route::standard;
    else if constexpr (!std::is_class_v<T>)
        return route::none;
    else if constexpr (boost_serializable<T>)
        return route::boost;
    else if constexpr (boost::serialization::is_bitwise_serializable<T>::value)
        return std::is_trivially_copyable_v<T> ? route::bytes : route::none;
    else if constexpr (stateless<T>)
        return route::nothing;
    else if constexpr (plain_aggregate<T>)
        return route::aggregate;
    else
        return route::none;
}

template <class T>
constexpr bool bitwise_value();
template <class T, class... Seen>
constexpr bool picklable();
template <class... T, class... Seen>
constexpr bool all_picklable(pack<T...>, pack<Seen...>) {
    return (picklable<T, Seen...>() && ...);
}

/// `Seen` are the types around this one: a type that holds itself is decided by its other members.
template <class T, class... Seen>
constexpr bool picklable() {
    constexpr route way = route_of<T>();
    if constexpr ((std::is_same_v<T, Seen> || ...))
        return true;
    else if constexpr (way == route::none)
        return false;
    else if constexpr (way == route::standard) {
        using How = parts<T>;
        // What a pointer points to may be const: the object behind it is new in the other process.
        if constexpr (How::how == kind::unique || How::how == kind::shared) {
            using Target = std::remove_const_t<typename first_of<typename How::list>::type>;
            if constexpr (std::is_array_v<Target> || std::is_function_v<Target>)
                return false;
            else
                return picklable<Target, T, Seen...>();
        } else if constexpr (How::how == kind::bytes) {
            return bitwise_value<T>();
        } else {
            return all_picklable(typename How::list{}, pack<T, Seen...>{});
        }
    } else if constexpr (way == route::boost)
        // An abstract class travels behind a pointer; an exception is rebuilt from its what().
        return std::is_default_constructible_v<T> || std::is_abstract_v<T> ||
               std::is_base_of_v<std::exception, T>;
    else if constexpr (way == route::aggregate)
        return all_picklable(fields_of<T>{}, pack<T, Seen...>{});
    else
        return true;
}

// ---- which types are one memcpy

template <class... T>
constexpr bool all_bitwise(pack<T...>) {
    return ((bitwise_value<T>() || route_of<T>() == route::nothing) && ...);
}

template <class T>
constexpr bool bitwise_value() {
    constexpr route way = route_of<T>();
    if constexpr (way == route::number) {
        if constexpr (std::is_enum_v<T>)  // a foreign byte must not become a bool that is 0x7f
            return !std::is_same_v<std::underlying_type_t<T>, bool>;
        else
            return !std::is_same_v<T, bool>;
    } else if constexpr (way == route::bytes)
        return true;
    else if constexpr (way == route::standard) {
        // std::pair and std::tuple of such types have assignments of their own, so they are not
        // trivially copyable by name; their copy constructors copy bytes.
        constexpr kind how = parts<T>::how;
        if constexpr (how == kind::fixed || how == kind::tuple || how == kind::bytes)
            return !std::is_empty_v<T> && all_bitwise(typename parts<T>::list{});
        else
            return false;
    } else if constexpr (way == route::aggregate) {
        if constexpr (std::is_trivially_copy_constructible_v<T> &&
                      std::is_trivially_destructible_v<T> && !std::is_empty_v<T>)
            return all_bitwise(fields_of<T>{});
        else
            return false;
    } else
        return false;
}

/// T travels as its own bytes, and every pattern of bytes is a value of T: numbers but no bool, and
/// aggregates, arrays, pairs, tuples, complex numbers and times of such.
template <class T>
inline constexpr bool bitwise = bitwise_value<std::remove_cv_t<T>>();

// ---- which types are a few memcpys

template <class T>
constexpr bool flat_value();
template <class... T>
constexpr bool all_flat(pack<T...>) {
    return (flat_value<T>() && ...);
}

template <class T>
constexpr bool flat_value() {
    constexpr route way = route_of<T>();
    if constexpr (bitwise_value<T>() || way == route::number || way == route::nothing)
        return true;
    else if constexpr (way == route::aggregate)
        return all_flat(fields_of<T>{});
    else if constexpr (way == route::standard) {
        using How = parts<T>;
        if constexpr (How::how == kind::block)
            return all_bitwise(typename How::list{});
        else if constexpr (How::how == kind::fixed || How::how == kind::tuple)
            return all_flat(typename How::list{});
        else
            return How::how == kind::path;
    } else
        return false;
}

/// The type alone says of how many blocks of bytes a T consists: bitwise values, strings, vectors
/// of those, and aggregates, arrays, pairs and tuples of all these. No code of a user runs when one
/// is written or read, and it takes as long as copying the bytes.
template <class T>
inline constexpr bool flat = flat_value<std::remove_cv_t<T>>();

}  // namespace detail

/// The types whose values can be sent to another process: numbers, enumerations, pointers to
/// functions, the standard library's strings, containers, smart pointers and times, aggregates of
/// picklable members, classes with a Boost.Serialization `serialize`, and handles of this library.
/// @note Raw pointers, references, views, mutexes and lambdas with captures are not.
/// @par Python Anything that `pickle.dumps` accepts, known only when it is tried.
template <class T>
concept Picklable = detail::picklable<std::remove_cv_t<T>>();

}  // namespace v0
}  // namespace multiprocessing
