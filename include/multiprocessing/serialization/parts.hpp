// SPDX-License-Identifier: BSL-1.0
// The standard library's templates that can be pickled: how each is built and of which types.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <complex>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <stack>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <valarray>
#include <variant>
#include <vector>

#include <multiprocessing/core/callable.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// How the bytes of a standard type are laid out; each value has one function that writes them.
enum class kind {
    none,
    block,     // contiguous and resizable: one block where the element is bitwise
    sequence,  // elements appended one by one
    forward,   // std::forward_list
    set,       // keys inserted in order
    map,       // keys and values inserted in order
    fixed,     // std::array, T[N]
    tuple,     // each member in turn, const or not: std::pair, std::tuple
    partial,   // the function, then the bound values
    variant,   // index, then the alternative
    optional,  // flag, then the value
    unique,    // std::unique_ptr
    shared,    // std::shared_ptr, std::weak_ptr
    adaptor,   // the container inside
    bits,      // std::bitset
    bytes,     // a class whose bytes are its value
    path,      // std::filesystem::path
};

template <kind Kind, class... Parts>
struct made_of {
    static constexpr kind how = Kind;
    using list = pack<Parts...>;
};

/// Under a condition; else the type is refused.
template <bool Holds, kind Kind, class... Parts>
using made_if = made_of<Holds ? Kind : kind::none, Parts...>;

/// Comparators and hashes are not sent: those of the receiver are made anew, and must be the same.
template <class... Functions>
inline constexpr bool without_state = (std::is_empty_v<Functions> && ...);

template <class T>
struct parts : made_of<kind::none> {};

template <class T, class A>
struct parts<std::vector<T, A>> : made_of<kind::block, T> {};
template <class A>
struct parts<std::vector<bool, A>> : made_of<kind::sequence, bool> {};
template <class C, class R, class A>
struct parts<std::basic_string<C, R, A>> : made_of<kind::block, C> {};
template <class T>
struct parts<std::valarray<T>> : made_of<kind::block, T> {};
template <class T, class A>
struct parts<std::deque<T, A>> : made_of<kind::sequence, T> {};
template <class T, class A>
struct parts<std::list<T, A>> : made_of<kind::sequence, T> {};
template <class T, class A>
struct parts<std::forward_list<T, A>> : made_of<kind::forward, T> {};
template <class T, class C, class A>
struct parts<std::set<T, C, A>> : made_if<without_state<C>, kind::set, T> {};
template <class T, class C, class A>
struct parts<std::multiset<T, C, A>> : made_if<without_state<C>, kind::set, T> {};
template <class T, class H, class E, class A>
struct parts<std::unordered_set<T, H, E, A>> : made_if<without_state<H, E>, kind::set, T> {};
template <class T, class H, class E, class A>
struct parts<std::unordered_multiset<T, H, E, A>> : made_if<without_state<H, E>, kind::set, T> {};
template <class K, class V, class C, class A>
struct parts<std::map<K, V, C, A>> : made_if<without_state<C>, kind::map, K, V> {};
template <class K, class V, class C, class A>
struct parts<std::multimap<K, V, C, A>> : made_if<without_state<C>, kind::map, K, V> {};
template <class K, class V, class H, class E, class A>
struct parts<std::unordered_map<K, V, H, E, A>> : made_if<without_state<H, E>, kind::map, K, V> {};
template <class K, class V, class H, class E, class A>
struct parts<std::unordered_multimap<K, V, H, E, A>>
    : made_if<without_state<H, E>, kind::map, K, V> {};
template <class T, std::size_t N>
struct parts<std::array<T, N>> : made_of<kind::fixed, T> {};
template <class T, std::size_t N>
struct parts<T[N]> : made_of<kind::fixed, T> {};
template <class A, class B>
struct parts<std::pair<A, B>>
    : made_of<kind::tuple, std::remove_const_t<A>, std::remove_const_t<B>> {};
template <class... T>
struct parts<std::tuple<T...>> : made_of<kind::tuple, std::remove_const_t<T>...> {};
template <class... T>
struct parts<std::variant<T...>> : made_of<kind::variant, T...> {};
template <class T>
struct parts<std::optional<T>> : made_of<kind::optional, T> {};
template <class T>
struct parts<std::unique_ptr<T>> : made_of<kind::unique, T> {};
template <class T>
struct parts<std::shared_ptr<T>> : made_of<kind::shared, T> {};
template <class T>
struct parts<std::weak_ptr<T>> : made_of<kind::shared, T> {};
template <class T, class C>
struct parts<std::stack<T, C>> : made_of<kind::adaptor, C> {};
template <class T, class C>
struct parts<std::queue<T, C>> : made_of<kind::adaptor, C> {};
template <class T, class C, class P>
struct parts<std::priority_queue<T, C, P>> : made_if<without_state<P>, kind::adaptor, C> {};
template <std::size_t N>
struct parts<std::bitset<N>> : made_of<kind::bits> {};
template <>
struct parts<std::filesystem::path> : made_of<kind::path> {};

template <class T>
struct parts<std::complex<T>> : made_of<kind::bytes, T> {};
template <class R, class P>
struct parts<std::chrono::duration<R, P>> : made_of<kind::bytes, R> {};
template <class C, class D>
struct parts<std::chrono::time_point<C, D>> : made_of<kind::bytes, D> {};
#define MULTIPROCESSING_CALENDAR(name) \
    template <>                        \
    struct parts<std::chrono::name> : made_of<kind::bytes> {}
MULTIPROCESSING_CALENDAR(day);
MULTIPROCESSING_CALENDAR(month);
MULTIPROCESSING_CALENDAR(year);
MULTIPROCESSING_CALENDAR(weekday);
MULTIPROCESSING_CALENDAR(weekday_indexed);
MULTIPROCESSING_CALENDAR(month_day);
MULTIPROCESSING_CALENDAR(year_month);
MULTIPROCESSING_CALENDAR(year_month_day);
MULTIPROCESSING_CALENDAR(year_month_weekday);
#undef MULTIPROCESSING_CALENDAR

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
