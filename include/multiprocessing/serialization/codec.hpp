// SPDX-License-Identifier: BSL-1.0
// The one place that decides how a value of any picklable type is written and read.
#pragma once

#include <boost/serialization/access.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/level.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/version.hpp>
#include <boost/serialization/wrapper.hpp>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <multiprocessing/serialization/aggregate.hpp>
#include <multiprocessing/serialization/archive.hpp>
#include <multiprocessing/serialization/function.hpp>
#include <multiprocessing/serialization/partial.hpp>
#include <multiprocessing/serialization/picklable.hpp>
#include <multiprocessing/serialization/pointers.hpp>
#include <multiprocessing/serialization/standard.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

template <class T>
inline constexpr bool has_class_version =
    boost::serialization::implementation_level<T>::value >= boost::serialization::object_class_info;

// ---- classes with a serialize()

template <class T>
void encode_class(writer& out, const T& value) {
    out.check_depth();
    constexpr unsigned version = boost::serialization::version<T>::value;
    if constexpr (has_class_version<T>)
        out.value(static_cast<std::uint32_t>(version));
    // One serialize() both saves and loads, hence not const.
    boost::serialization::serialize_adl(out.archive(), const_cast<T&>(value), version);
}

template <class T>
void decode_class(reader& in, T& value) {
    if constexpr (std::is_polymorphic_v<T>) {
        if (in.leaves_out(std::addressof(value)))
            return;
    }
    in.check_depth();
    unsigned version = boost::serialization::version<T>::value;
    if constexpr (has_class_version<T>)
        version = in.class_version(version);
    boost::serialization::serialize_adl(in.archive(), value, version);
}

// ---- the standard library's

template <class T>
void encode_standard(writer& out, const T& value) {
    using How = parts<T>;
    using First = typename first_of<typename How::list>::type;
    constexpr kind how = How::how;
    if constexpr (how == kind::block)
        detail::encode_block<T, First>(out, value);
    else if constexpr (how == kind::sequence || how == kind::forward || how == kind::set)
        detail::encode_sequence(out, value);
    else if constexpr (how == kind::map)
        detail::encode_map(out, value);
    else if constexpr (how == kind::fixed)
        for (const First& element : value)
            detail::encode(out, element);
    else if constexpr (how == kind::tuple)
        std::apply([&](const auto&... member) { (detail::encode(out, member), ...); }, value);
    else if constexpr (how == kind::partial)
        std::apply([&](const auto&... member) { (detail::encode(out, member), ...); },
                   partial_access::members(value));
    else if constexpr (how == kind::variant)
        detail::encode_variant(out, value);
    else if constexpr (how == kind::optional) {
        out.value(static_cast<std::uint8_t>(value.has_value()));
        if (value)
            detail::encode(out, *value);
    } else if constexpr (how == kind::unique) {
        out.value(static_cast<std::uint8_t>(value != nullptr));
        if (value)
            detail::encode_target<std::remove_const_t<First>>(out, *value);
    } else if constexpr (how == kind::shared) {
        if constexpr (requires { value.lock(); })
            detail::encode_tracked<std::remove_const_t<First>>(out, value.lock().get(), true);
        else
            detail::encode_tracked<std::remove_const_t<First>>(out, value.get(), true);
    } else if constexpr (how == kind::adaptor)
        detail::encode(out, opened_adaptor<T>::inside(value));
    else if constexpr (how == kind::bits)
        detail::encode_bits(out, value);
    else if constexpr (how == kind::path)
        detail::encode(out, value.native());
    else
        static_assert(how == kind::none, "every kind is written");
}

template <class T>
inline constexpr bool has_const_member = false;
template <class A, class B>
inline constexpr bool has_const_member<std::pair<A, B>> = std::is_const_v<A> || std::is_const_v<B>;
template <class... T>
inline constexpr bool has_const_member<std::tuple<T...>> = (std::is_const_v<T> || ...);

template <class T, class... Member>
void decode_tuple(reader& in, T& value, pack<Member...>) {
    const auto decode_each = [&](auto&... member) { (detail::decode(in, member), ...); };
    if constexpr (!has_const_member<T>) {
        std::apply(decode_each, value);
    } else {  // as in the pairs of a map: another object takes the place of this one
        std::tuple<Member...> members;
        std::apply(decode_each, members);
        std::destroy_at(std::addressof(value));
        try {
            std::apply(
                [&](Member&... member) {
                    std::construct_at(std::addressof(value), std::move(member)...);
                },
                members);
        } catch (...) {
            [&]() noexcept { std::construct_at(std::addressof(value)); }();
            throw;
        }
    }
}

template <class T>
void decode_standard(reader& in, T& value) {
    using How = parts<T>;
    using First = typename first_of<typename How::list>::type;
    constexpr kind how = How::how;
    if constexpr (how == kind::block)
        detail::decode_block<T, First>(in, value);
    else if constexpr (how == kind::sequence || how == kind::forward)
        detail::decode_sequence(in, value);
    else if constexpr (how == kind::set)
        detail::decode_set(in, value);
    else if constexpr (how == kind::map)
        detail::decode_map(in, value);
    else if constexpr (how == kind::fixed)
        for (First& element : value)
            detail::decode(in, element);
    else if constexpr (how == kind::tuple)
        detail::decode_tuple(in, value, typename How::list{});
    else if constexpr (how == kind::partial)
        std::apply([&](auto&... member) { (detail::decode(in, member), ...); },
                   partial_access::members(value));
    else if constexpr (how == kind::variant)
        detail::decode_variant(in, value);
    else if constexpr (how == kind::optional)
        detail::decode_optional(in, value);
    else if constexpr (how == kind::unique)
        detail::decode_unique(in, value);
    else if constexpr (how == kind::shared) {
        std::shared_ptr<std::remove_const_t<First>> pointer;
        detail::decode_shared(in, pointer);
        value = pointer;
    } else if constexpr (how == kind::adaptor)
        detail::decode(in, opened_adaptor<T>::inside(value));
    else if constexpr (how == kind::bits)
        detail::decode_bits(in, value);
    else if constexpr (how == kind::path) {
        std::string text;
        detail::decode(in, text);
        value = std::move(text);
    } else
        static_assert(how == kind::none, "every kind is read");
}

// ---- every type

template <class T>
void encode(writer& out, const T& value) {
    constexpr route way = route_of<T>();
    static_assert(way != route::none, "a value of this type cannot be pickled");
    if constexpr (bitwise<T>)
        out.bytes(std::addressof(value), sizeof value);
    else if constexpr (way == route::number)
        out.value(static_cast<std::uint8_t>(value));  // bool, and enumerations of it
    else if constexpr (way == route::code)
        encode_code_pointer(out.buffer(), value);
    else if constexpr (way == route::standard)
        detail::encode_standard(out, value);
    else if constexpr (way == route::handle)
        boost::serialization::access::serialize(out.archive(), const_cast<T&>(value), 0u);
    else if constexpr (way == route::boost)
        detail::encode_class(out, value);
    else if constexpr (way == route::aggregate) {
        out.check_depth();
        detail::for_each_field(value, [&](const auto& member) { detail::encode(out, member); });
    }
}

template <class T>
void decode(reader& in, T& value) {
    constexpr route way = route_of<T>();
    static_assert(way != route::none, "a value of this type cannot be pickled");
    if constexpr (bitwise<T>)
        in.bytes(static_cast<void*>(std::addressof(value)), sizeof value);
    else if constexpr (way == route::number)
        value = static_cast<T>(in.flag());
    else if constexpr (way == route::code)
        decode_code_pointer(in.cursor(), value);
    else if constexpr (way == route::standard)
        detail::decode_standard(in, value);
    else if constexpr (way == route::handle)
        boost::serialization::access::serialize(in.archive(), value, 0u);
    else if constexpr (way == route::boost)
        detail::decode_class(in, value);
    else if constexpr (way == route::aggregate) {
        in.check_depth();
        detail::for_each_field(value, [&](auto& member) { detail::decode(in, member); });
    }
}

// ---- what a user's serialize() may name besides values

template <class T>
inline constexpr bool is_array_wrapper = false;
template <class T>
inline constexpr bool is_array_wrapper<boost::serialization::array_wrapper<T>> = true;

template <class T>
inline constexpr bool is_object_pointer = std::is_pointer_v<T> && !code_pointer<T>;

template <class T>
void encode_member(writer& out, const T& value) {
    if constexpr (is_object_pointer<T>)
        detail::encode_tracked<std::remove_cv_t<std::remove_pointer_t<T>>>(out, value, false);
    else if constexpr (std::is_same_v<T, boost::serialization::collection_size_type>)
        out.count(value);
    else if constexpr (std::is_same_v<T, boost::serialization::item_version_type>)
        out.value(static_cast<std::uint32_t>(value));
    else if constexpr (is_array_wrapper<T>) {
        for (std::size_t i = 0; i != value.count(); ++i)
            detail::encode_member(out, value.address()[i]);
    } else if constexpr (boost::serialization::is_wrapper<T>::type::value)
        boost::serialization::serialize_adl(out.archive(), const_cast<T&>(value), 0u);
    else
        detail::encode(out, value);
}

template <class T>
void decode_member(reader& in, T& value) {
    if constexpr (is_object_pointer<T>) {
        std::remove_cv_t<std::remove_pointer_t<T>>* pointer = nullptr;
        struct assign_last {  // also when reading fails: what was built is then its owner's
            T& target;
            std::remove_cv_t<std::remove_pointer_t<T>>*& source;
            ~assign_last() { target = source; }
        } const assign{value, pointer};
        detail::decode_raw(in, pointer);
    } else if constexpr (std::is_same_v<T, boost::serialization::collection_size_type>)
        value = T(in.count());
    else if constexpr (std::is_same_v<T, boost::serialization::item_version_type>)
        value = T(in.value<std::uint32_t>());
    else if constexpr (is_array_wrapper<T>) {
        for (std::size_t i = 0; i != value.count(); ++i)
            detail::decode_member(in, value.address()[i]);
    } else if constexpr (boost::serialization::is_wrapper<T>::type::value)
        boost::serialization::serialize_adl(in.archive(), value, 0u);
    else
        detail::decode(in, value);
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
