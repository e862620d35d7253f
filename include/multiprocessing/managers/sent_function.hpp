// SPDX-License-Identifier: BSL-1.0
// Functions that clients send to be called with what an object holds: where bytes become types
// again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/managers/containers.hpp>
#include <multiprocessing/managers/key.hpp>
#include <multiprocessing/managers/object.hpp>
#include <multiprocessing/managers/objects.hpp>
#include <multiprocessing/managers/registry.hpp>
#include <multiprocessing/managers/request.hpp>
#include <multiprocessing/serialization/checks.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// What the compiler says about a function given to update().
template <class F, class T>
struct update_check {
    static_assert(known_callable<F>,
                  "multiprocessing: the parameter types of this function cannot be read, because "
                  "it is generic, overloaded or no function: wrap it in a lambda whose parameters "
                  "have named types");
    static_assert(Picklable<std::decay_t<F>>,
                  "multiprocessing: this function object cannot be pickled to be sent to the "
                  "manager's server: use a function, a lambda without captures or "
                  "multiprocessing::partial(f, bound...)");
    static_assert(!known_callable<F> || std::is_invocable_v<std::decay_t<F>&, T&>,
                  "multiprocessing: update() calls the function with a reference to what it is to "
                  "change, whose type this is not");
};
template <class F, class T>
concept updater =
    known_callable<F> && Picklable<std::decay_t<F>> && std::is_invocable_v < std::decay_t<F>
&, T& > ;

template <class Object>
Object& object_as(managed_object& object) {
    if (auto* const exact = dynamic_cast<Object*>(&object))
        return *exact;
    throw ValueError("manager: the object is of another kind");
}

/// A value in a Namespace, where each may be of another type.
template <class T>
struct tagged_value {
    T value = T();

    /// @throws UnpicklingError when the value is of another type
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        std::uint64_t type = type_tag<T>();
        archive& type;
        if (type != type_tag<T>())
            throw UnpicklingError("NamespaceProxy: the value is no " + type_name(typeid(T)));
        archive& value;
    }
};

/// The answer is what a call of an F returns. Its objects live until the client has them, whatever
/// happens to the value that they were in.
template <class F, class Call>
void answer_with(call& request, Call function) {
    write_result<result_of<F>>(request.out, std::move(function));
    request.all->grant_written(request);
}

/// Calls the function with a value, and returns what the value has become. If it throws nothing
/// has changed.
template <class T, class F>
stored_value updated(call& request, F& function, const stored_value& before) {
    T value = value_from<T>(before.bytes);
    answer_with<F>(request, [&]() -> decltype(auto) { return std::invoke(function, value); });
    return request.all->store(value);
}

template <class V, class F>
void update_in_dict(managed_object& object, call& request) {
    auto& dict = object_as<dict_object>(object);
    F function = load<F>(request.in);
    const std::string_view key = take_bytes(request.in);
    const stored_value* const before = dict.find(key);
    if (before == nullptr)
        throw std::out_of_range("DictProxy.update: there is no such key");
    dict.set(key, updated<V>(request, function, *before));
}

template <class V, class F>
void update_in_namespace(managed_object& object, call& request) {
    auto& dict = object_as<dict_object>(object);
    F function = load<F>(request.in);
    const std::string_view name = take_bytes(request.in);
    const stored_value* const before = dict.find(name);
    if (before == nullptr)
        throw std::out_of_range("NamespaceProxy.update: there is no such name");
    auto value = value_from<tagged_value<V>>(before->bytes);
    answer_with<F>(request, [&]() -> decltype(auto) { return std::invoke(function, value.value); });
    dict.set(name, request.all->store(value));
}

template <class T, class F>
void update_in_list(managed_object& object, call& request) {
    auto& list = object_as<list_object>(object);
    F function = load<F>(request.in);
    const auto index = request.in.read_value<std::int64_t>();
    stored_value after = updated<T>(request, function, list.at(index));
    list.at(index) = std::move(after);  // looked up again: the function may have changed the list
}

template <class T, class F>
void update_list(managed_object& object, call& request) {
    auto& list = object_as<list_object>(object);
    F function = load<F>(request.in);
    std::vector<T> values;
    values.reserve(list.values.size());
    for (const stored_value& each : list.values)
        values.push_back(value_from<T>(each.bytes));
    answer_with<F>(request, [&]() -> decltype(auto) { return std::invoke(function, values); });
    std::vector<stored_value> after;
    after.reserve(values.size());
    for (const T& each : values)
        after.push_back(request.all->store(each));
    list.replace(std::move(after));
}

template <class K, class V, class F>
void update_dict(managed_object& object, call& request) {
    auto& dict = object_as<dict_object>(object);
    F function = load<F>(request.in);
    std::map<K, V> values;
    for (const auto& each : dict.all())
        values.emplace(value_from<K>(each.key), value_from<V>(each.value.bytes));
    answer_with<F>(request, [&]() -> decltype(auto) { return std::invoke(function, values); });
    std::vector<std::pair<std::string, stored_value>> after;
    for (const auto& [key, value] : values)
        after.emplace_back(request.all->store(normal_key(key)).bytes, request.all->store(value));
    dict.clear();
    for (auto& [key, value] : after)
        dict.set(key, std::move(value));
}

template <class Class, class F>
void update_instance(managed_object& object, call& request) {
    Class& instance = object_as<instance_object>(object).template as<Class>();
    F function = load<F>(request.in);
    answer_with<F>(request, [&]() -> decltype(auto) { return std::invoke(function, instance); });
}

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
