// SPDX-License-Identifier: BSL-1.0
// ValueProxy and NamespaceProxy: single values in a manager's server, alone and by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/managers/proxy.hpp>
#include <multiprocessing/managers/sent_function.hpp>

namespace multiprocessing {
inline namespace v0 {

/// A value in a manager's server.
///
/// A handle, as DictProxy is; see there.
/// @par Python `multiprocessing.managers.ValueProxy`
template <class T>
class ValueProxy : public detail::managed::proxy<ValueProxy<T>> {
    struct place {
        ValueProxy cell;

        [[nodiscard]] T read() const { return cell.get(); }
        void write(const T& value) const { cell.set(value); }
    };
    using verb = detail::managed::verb;

  public:
    using reference = detail::managed::element<T, place>;

    /// Names no value, until one is assigned.
    ValueProxy() { (void)detail::argument_check<T>{}; }

    /// @throws UnpicklingError when the value is not one of type T
    T get() const {
        return this->ask(verb::get).number(std::int64_t{0}).send().template value<T>();
    }
    void set(const T& value) const {
        this->ask(verb::set).number(std::int64_t{0}).value(value).send();
    }
    /// `v.value() = x` writes, `T x = v.value()` reads. `v.value() += x`, `++v.value()` and so on
    /// do one after the other, which is not atomic; update() is.
    [[nodiscard]] reference value() const { return reference(place{*this}); }

    /// Changes the value in the server; no other call sees a state in between.
    /// @param f called there with a `T&`; else as DictProxy::update
    template <class F>
    auto update(F&& f) const {
        (void)detail::managed::update_check<F, T>{};
        if constexpr (detail::managed::updater<F, T>) {
            using Function = std::decay_t<F>;
            return this->ask(verb::run)
                .template function<Function>(&detail::managed::update_in_list<T, Function>, f)
                .number(std::int64_t{0})
                .send()
                .template returned<detail::result_of<Function>>();
        }
    }
};

/// Values of any types by names, in a manager's server.
///
/// A handle, as DictProxy is; see there.
/// @par Python `multiprocessing.managers.NamespaceProxy`: `ns.x = 1` is `ns.set("x", 1)`, and
///     `ns.x` is `ns.get<int>("x")`, of the very type that was set; `del ns.x` is `ns.erase("x")`
class NamespaceProxy : public detail::managed::proxy<NamespaceProxy> {
    using verb = detail::managed::verb;

  public:
    /// Names no namespace, until one is assigned.
    NamespaceProxy() = default;

    template <class T>
    void set(std::string_view name, const T& value) const {
        (void)detail::argument_check<T>{};
        if constexpr (Picklable<T>)
            ask(verb::set).bytes(name).value(detail::managed::tagged_value<T>{value}).send();
    }
    /// Sets a text, which is a std::string.
    void set(std::string_view name, const char* text) const { set(name, std::string(text)); }

    /// @throws std::out_of_range when there is none of that name
    /// @throws UnpicklingError when it was set as another type
    template <class T>
    T get(std::string_view name) const {
        auto found = ask(verb::get).bytes(name).send();
        if (!found.done())
            throw std::out_of_range("NamespaceProxy.get: there is no \"" + std::string(name) +
                                    "\"");
        return found.template value<detail::managed::tagged_value<T>>().value;
    }
    bool contains(std::string_view name) const {
        return ask(verb::contains).bytes(name).send().flag();
    }
    /// @throws std::out_of_range when there is none of that name @par Python `del ns.x`
    void erase(std::string_view name) const {
        if (!ask(verb::erase).bytes(name).send().done())
            throw std::out_of_range("NamespaceProxy.erase: there is no \"" + std::string(name) +
                                    "\"");
    }
    /// @par Python `dir(ns)`
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> all;
        auto keys = ask(verb::keys).send();
        for (auto left = keys.number<std::uint64_t>(); left > 0; --left)
            all.emplace_back(keys.bytes());
        return all;
    }

    /// Changes a value in the server; no other call sees a state in between.
    /// @param f called there with a `T&`; else as DictProxy::update
    /// @throws std::out_of_range when there is none of that name
    /// @throws UnpicklingError when it was set as another type
    template <class T, class F>
    auto update(std::string_view name, F&& f) const {
        (void)detail::managed::update_check<F, T>{};
        if constexpr (detail::managed::updater<F, T>) {
            using Function = std::decay_t<F>;
            return ask(verb::run)
                .template function<Function>(&detail::managed::update_in_namespace<T, Function>, f)
                .bytes(name)
                .send()
                .template returned<detail::result_of<Function>>();
        }
    }
};

}  // namespace v0
}  // namespace multiprocessing
