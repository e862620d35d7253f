// SPDX-License-Identifier: BSL-1.0
// Which types can be keys of a dictionary in a manager's server, which compares their bytes.
#pragma once

#include <cstddef>
#include <type_traits>

#include <multiprocessing/serialization/aggregate.hpp>
#include <multiprocessing/serialization/parts.hpp>
#include <multiprocessing/serialization/picklable.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

template <class T>
constexpr bool comparable_bytes();
template <class... T>
constexpr bool all_comparable(pack<T...>) {
    return (comparable_bytes<T>() && ...);
}
template <class... T>
constexpr std::size_t size_of_all(pack<T...>) {
    return (sizeof(T) + ... + 0);
}

/// Equal values have equal bytes: no padding among them, no order that is left to chance, no
/// pointers. A class with a `serialize` of its own is believed.
template <class T>
constexpr bool comparable_bytes() {
    constexpr route way = route_of<T>();
    if constexpr (way == route::number || way == route::boost)
        return true;
    else if constexpr (way == route::standard) {
        using How = parts<T>;
        constexpr kind how = How::how;
        if constexpr (requires { typename T::hasher; } || how == kind::unique ||
                      how == kind::shared || how == kind::partial || how == kind::adaptor)
            return false;
        else if constexpr (bitwise<T> && how == kind::tuple)
            return sizeof(T) == size_of_all(typename How::list{}) &&
                   all_comparable(typename How::list{});
        else
            return all_comparable(typename How::list{});
    } else if constexpr (way == route::aggregate) {
        if constexpr (bitwise<T>)
            return sizeof(T) == size_of_all(fields_of<T>{}) && all_comparable(fields_of<T>{});
        else
            return all_comparable(fields_of<T>{});
    } else if constexpr (way == route::bytes)
        return std::has_unique_object_representations_v<T>;
    else
        return way == route::nothing;
}

template <class K>
struct key_check {
    static_assert(comparable_bytes<K>(),
                  "DictProxy: this type cannot be a key, because the server compares bytes: use "
                  "numbers, strings, enumerations, or tuples, ordered containers and aggregates of "
                  "such, without padding");
};

/// Zero has two representations.
template <class K>
const K& normal_key(const K& key) {
    if constexpr (std::is_floating_point_v<K>) {
        static constexpr K zero = 0;
        return key == zero ? zero : key;
    } else {
        return key;
    }
}

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
