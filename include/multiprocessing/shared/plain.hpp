// SPDX-License-Identifier: BSL-1.0
// Which types may lie in shared memory: those whose bytes mean the same in every process.
#pragma once

#include <type_traits>

#include <multiprocessing/serialization/aggregate.hpp>
#include <multiprocessing/serialization/parts.hpp>
#include <multiprocessing/serialization/picklable.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

template <class T>
constexpr bool plain_value();
template <class... T>
constexpr bool all_plain(pack<T...>) {
    return (plain_value<T>() && ...);
}

/// As bitwise_value(), but bool too: nobody else's bytes become values here.
template <class T>
constexpr bool plain_value() {
    constexpr route way = route_of<T>();
    if constexpr (way == route::number || way == route::bytes)
        return true;
    else if constexpr (way == route::standard) {
        constexpr kind how = parts<T>::how;
        if constexpr (how == kind::fixed || how == kind::tuple || how == kind::bytes)
            return all_plain(typename parts<T>::list{});
        else if constexpr (how == kind::optional || how == kind::variant)
            return std::is_trivially_copy_constructible_v<T> &&
                   std::is_trivially_destructible_v<T> && all_plain(typename parts<T>::list{});
        else
            return how == kind::bits;
    } else if constexpr (way == route::aggregate) {
        if constexpr (std::is_trivially_copy_constructible_v<T> &&
                      std::is_trivially_destructible_v<T>)
            return all_plain(fields_of<T>{});
        else
            return false;
    } else
        return way == route::nothing;
}

/// One line for the user who gives Value or Array another type.
template <class T>
struct plain_check {
    static_assert(plain_value<T>(),
                  "Value and Array: T must be a number, an enumeration, or an aggregate, array, "
                  "pair or tuple of such; it may hold no pointer and own no memory");
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
