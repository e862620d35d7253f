// SPDX-License-Identifier: BSL-1.0
// The members of an aggregate as a tuple of references: how many there are is found out here, by
// trial initialization, because Boost.PFR's own count stops with an error at bases and C arrays.
#pragma once

#include <boost/pfr/core.hpp>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <multiprocessing/core/callable.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Converts to any proper base of T, so `T{base_probe<T>{}}` compiles where T has a base.
template <class T>
struct base_probe {
    template <class U>
        requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>)
    operator U() const noexcept;
};

template <class T>
concept has_base = requires {
    T{base_probe<T>{}};
};

/// Boost.PFR takes structures of up to 100 members apart; the trials below tell up to 96.
inline constexpr std::size_t most_fields = 95;

// `{}` initializes exactly one member, a whole array too; a pack cannot expand to `{}`, hence text.
#define MULTIPROCESSING_8 \
    {}, {}, {}, {}, {}, {}, {}, {}
#define MULTIPROCESSING_TRY(count, ...) \
    else if constexpr (N == count) {    \
        return requires {               \
            T{__VA_ARGS__};             \
        };                              \
    }
#define MULTIPROCESSING_TRY_8(base, ...)                                 \
    MULTIPROCESSING_TRY(base + 1, __VA_ARGS__{})                         \
    MULTIPROCESSING_TRY(base + 2, __VA_ARGS__{}, {})                     \
    MULTIPROCESSING_TRY(base + 3, __VA_ARGS__{}, {}, {})                 \
    MULTIPROCESSING_TRY(base + 4, __VA_ARGS__{}, {}, {}, {})             \
    MULTIPROCESSING_TRY(base + 5, __VA_ARGS__{}, {}, {}, {}, {})         \
    MULTIPROCESSING_TRY(base + 6, __VA_ARGS__{}, {}, {}, {}, {}, {})     \
    MULTIPROCESSING_TRY(base + 7, __VA_ARGS__{}, {}, {}, {}, {}, {}, {}) \
    MULTIPROCESSING_TRY(base + 8, __VA_ARGS__{}, {}, {}, {}, {}, {}, {}, {})
#define MULTIPROCESSING_16 MULTIPROCESSING_8, MULTIPROCESSING_8
#define MULTIPROCESSING_32 MULTIPROCESSING_16, MULTIPROCESSING_16
#define MULTIPROCESSING_64 MULTIPROCESSING_32, MULTIPROCESSING_32

/// Whether N members can be initialized; true for every N up to the number of members.
template <class T, std::size_t N>
constexpr bool takes_braces() {
    if constexpr (N == 0) {
        return requires {
            T{};
        };
    }
    MULTIPROCESSING_TRY_8(0, )
    MULTIPROCESSING_TRY_8(8, MULTIPROCESSING_8, )
    MULTIPROCESSING_TRY_8(16, MULTIPROCESSING_16, )
    MULTIPROCESSING_TRY_8(24, MULTIPROCESSING_16, MULTIPROCESSING_8, )
    MULTIPROCESSING_TRY_8(32, MULTIPROCESSING_32, )
    MULTIPROCESSING_TRY_8(40, MULTIPROCESSING_32, MULTIPROCESSING_8, )
    MULTIPROCESSING_TRY_8(48, MULTIPROCESSING_32, MULTIPROCESSING_16, )
    MULTIPROCESSING_TRY_8(56, MULTIPROCESSING_32, MULTIPROCESSING_16, MULTIPROCESSING_8, )
    MULTIPROCESSING_TRY_8(64, MULTIPROCESSING_64, )
    MULTIPROCESSING_TRY_8(72, MULTIPROCESSING_64, MULTIPROCESSING_8, )
    MULTIPROCESSING_TRY_8(80, MULTIPROCESSING_64, MULTIPROCESSING_16, )
    MULTIPROCESSING_TRY_8(88, MULTIPROCESSING_64, MULTIPROCESSING_16, MULTIPROCESSING_8, )
    else {
        return false;
    }
}

#undef MULTIPROCESSING_64
#undef MULTIPROCESSING_32
#undef MULTIPROCESSING_16
#undef MULTIPROCESSING_TRY_8
#undef MULTIPROCESSING_TRY
#undef MULTIPROCESSING_8

/// The largest N in [Low, High) that `takes_braces`, by bisection.
template <class T, std::size_t Low = 0, std::size_t High = most_fields + 2>
constexpr std::size_t count_braces() {
    if constexpr (High - Low == 1)
        return Low;
    else if constexpr (takes_braces<T, (Low + High) / 2>())
        return count_braces<T, (Low + High) / 2, High>();
    else
        return count_braces<T, Low, (Low + High) / 2>();
}

// By value, so that the conversion is elided and no copy constructor is instantiated: a vector of
// unique_ptr would fail in it.
struct any_value {
    template <class U>
    operator U() const noexcept;
};
template <class T, std::size_t... I>
constexpr bool takes_values(std::index_sequence<I...>) {
    return requires {
        T{((void)I, any_value{})...};
    };
}
template <class T, std::size_t N = most_fields + 1>
constexpr std::size_t count_values() {
    if constexpr (N == 0 || takes_values<T>(std::make_index_sequence<N>{}))
        return N;
    else
        return count_values<T, N - 1>();
}

/// The number of members of an aggregate, `most_fields` + 1 for any greater number. A member with
/// an explicit default constructor is no `{}`; an aggregate that has one without an initializer, or
/// as its first member, is counted by values instead, which counts the elements of C arrays.
template <class T>
constexpr std::size_t field_count() {
    if constexpr (std::is_empty_v<T>)
        return 0;
    else if constexpr (takes_braces<T, 1>())
        return count_braces<T>();
    else
        return count_values<T>();
}

/// An aggregate whose members can be visited one by one.
template <class T>
concept plain_aggregate =
    std::is_class_v<T> && std::is_aggregate_v<T> && std::is_default_constructible_v<T> &&
    !has_base<T> &&
    (field_count<T>() <= most_fields) && (std::is_empty_v<T> || field_count<T>() > 0);

/// The members of an aggregate as a tuple of references.
template <class T>
constexpr auto fields(T& value) noexcept {
    return boost::pfr::detail::tie_as_tuple(
        value, boost::pfr::detail::size_t_<field_count<std::remove_cv_t<T>>()>{});
}

template <class T, class Visit>
constexpr void for_each_field(T& value, Visit&& visit) {
    auto tied = detail::fields(value);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        (visit(boost::pfr::detail::sequence_tuple::get<I>(tied)), ...);
    }
    (std::make_index_sequence<field_count<std::remove_cv_t<T>>()>{});
}

template <class Tuple>
struct field_types;
template <class... Ref>
struct field_types<boost::pfr::detail::sequence_tuple::tuple<Ref...>> {
    // A const member cannot be loaded: void stands for it and is refused.
    template <class R>
    using member = std::conditional_t<std::is_const_v<std::remove_reference_t<R>>, void,
                                      std::remove_cvref_t<R>>;
    using type = pack<member<Ref>...>;
};

/// `pack` of an aggregate's member types.
template <class T>
using fields_of = typename field_types<decltype(detail::fields(std::declval<T&>()))>::type;

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
