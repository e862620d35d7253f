// SPDX-License-Identifier: BSL-1.0
// DictProxy: a dictionary in a manager's server.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <map>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/managers/key.hpp>
#include <multiprocessing/managers/proxy.hpp>
#include <multiprocessing/managers/sent_function.hpp>
#include <multiprocessing/managers/snapshot.hpp>

namespace multiprocessing {
inline namespace v0 {

/// A dictionary in a manager's server: values of one type by keys of one type, in the order in
/// which the keys came.
///
/// A handle: copies name the same dictionary; it can be sent to any process, and be a value in
/// objects of the same manager, which keep it. Each call is one round trip and takes effect as a
/// whole.
/// @note Every call of a proxy throws EOFError when the server is gone; one that waits throws
///     KeyboardInterrupt under an InterruptGuard.
/// @note A proxy that is sent to another process takes the manager's address and key along.
/// @par Python `multiprocessing.managers.DictProxy`. `del d[k]` is `d.erase(k)`, `len(d)` is
///     `d.size()`, iteration goes over a copy.
template <class K, class V>
class DictProxy : public detail::managed::proxy<DictProxy<K, V>> {
    struct place {
        DictProxy dict;
        K key;

        [[nodiscard]] V read() const { return dict.get(key); }
        void write(const V& value) const { dict.set(key, value); }
    };
    using verb = detail::managed::verb;

  public:
    using key_type = K;
    using mapped_type = V;
    using value_type = std::pair<K, V>;
    using reference = detail::managed::element<V, place>;

    /// Names no dictionary, until one is assigned.
    DictProxy() {
        (void)detail::managed::key_check<K>{};
        (void)detail::argument_check<V>{};
    }

    /// `d[k] = v` writes; `V v = d[k]` reads, and throws std::out_of_range when the key is missing.
    /// `d[k] += v`, `++d[k]` and so on do one after the other, which is not atomic; update() is.
    [[nodiscard]] reference operator[](const K& key) const { return reference(place{*this, key}); }

    /// @throws std::out_of_range when the key is missing
    /// @throws UnpicklingError when the value is not one of type V
    /// @par Python `d[k]`; `d.get(k)` returns None there when the key is missing
    V get(const K& key) const { return require(about(verb::get, key).send()).template value<V>(); }
    /// @returns `fallback` when the key is missing
    V get(const K& key, const V& fallback) const {
        auto found = about(verb::get, key).send();
        return found.done() ? found.template value<V>() : fallback;
    }
    /// As `d[key] = value`.
    void set(const K& key, const V& value) const { about(verb::set, key).value(value).send(); }
    /// @returns the value of the key, which is `value` from now on if the key was missing
    V setdefault(const K& key, const V& value) const {
        return about(verb::set_default, key).value(value).send().template value<V>();
    }
    bool contains(const K& key) const { return about(verb::contains, key).send().flag(); }
    std::size_t size() const {
        return this->ask(verb::size).send().template number<std::uint64_t>();
    }
    [[nodiscard]] bool empty() const { return size() == 0; }

    /// Removes a key and its value. @throws std::out_of_range when it is missing
    /// @par Python `del d[k]`
    void erase(const K& key) const { require(about(verb::erase, key).send()); }
    /// Removes a key. @returns its value @throws std::out_of_range when it is missing
    V pop(const K& key) const { return require(about(verb::pop, key).send()).template value<V>(); }
    /// The same. @returns `fallback` when the key is missing
    V pop(const K& key, const V& fallback) const {
        auto found = about(verb::pop, key).send();
        return found.done() ? found.template value<V>() : fallback;
    }
    /// Removes the key that came last. @throws std::out_of_range when there is none
    value_type popitem() const {
        auto last = this->ask(verb::pop_last).send();
        K key = require(last).template value<K>();
        return {std::move(key), last.template value<V>()};
    }
    void clear() const { this->ask(verb::clear).send(); }

    std::vector<value_type> items() const {
        return this->ask(verb::items).send().template pairs<K, V>();
    }
    std::vector<K> keys() const { return this->ask(verb::keys).send().template values<K>(); }
    std::vector<V> values() const { return this->ask(verb::values).send().template values<V>(); }
    /// All of it at one moment.
    [[nodiscard]] std::map<K, V> copy() const {
        std::map<K, V> all;
        for (value_type& each : items())
            all.emplace(std::move(each.first), std::move(each.second));
        return all;
    }

    /// Sets many keys in one round trip.
    /// @param pairs a range of pairs: a std::map, a vector of pairs, another dictionary's items()
    template <std::ranges::input_range Pairs>
    void update(Pairs&& pairs) const {
        auto request = this->ask(verb::extend);
        write_pairs(request, pairs);
        request.send();
    }
    void update(std::initializer_list<std::pair<const K, V>> pairs) const {
        update<std::initializer_list<std::pair<const K, V>>>(std::move(pairs));
    }

    /// Changes a value in the server; no other call sees a state in between.
    /// @param f called there with a `V&`: a function, a lambda without captures, or partial(f, ...)
    /// @returns what `f` returns
    /// @throws std::out_of_range when the key is missing; what `f` throws: then nothing has changed
    /// @throws ValueError when the server belongs to another program
    /// @note Everybody waits while `f` runs. It may use proxies of the same manager that it finds
    ///     in the value, but not wait.
    /// @par Python has nothing like it
    template <class F>
    auto update(const K& key, F&& f) const {
        (void)detail::managed::update_check<F, V>{};
        if constexpr (detail::managed::updater<F, V>) {
            using Function = std::decay_t<F>;
            return this->ask(verb::run)
                .template function<Function>(&detail::managed::update_in_dict<V, Function>, f)
                .key(detail::managed::normal_key(key))
                .send()
                .template returned<detail::result_of<Function>>();
        }
    }
    /// The same for the whole dictionary: `f` is called with a `std::map<K, V>&`, in whose order
    /// the keys are afterwards.
    template <class F>
        requires(!std::ranges::input_range<F>)
    auto update(F&& f) const {
        using Map = std::map<K, V>;
        (void)detail::managed::update_check<F, Map>{};
        if constexpr (detail::managed::updater<F, Map>) {
            using Function = std::decay_t<F>;
            return this->ask(verb::run)
                .template function<Function>(&detail::managed::update_dict<K, V, Function>, f)
                .send()
                .template returned<detail::result_of<Function>>();
        }
    }

    /// Iterates over a copy of the items, made by begin().
    [[nodiscard]] auto begin() const {
        return detail::managed::snapshot_iterator<value_type>(items());
    }
    [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

    /// For the manager, which creates it: the keys and values that it begins with.
    template <class Pairs>
    static void write_pairs(detail::managed::request& to, Pairs&& pairs) {
        to.each(pairs, [](detail::managed::request& one, const auto& pair) {
            const auto& [key, value] = pair;
            one.key(detail::managed::normal_key(static_cast<const K&>(key)));
            one.value(static_cast<const V&>(value));
        });
    }

  private:
    [[nodiscard]] detail::managed::request about(verb what, const K& key) const {
        auto request = this->ask(what);
        request.key(detail::managed::normal_key(key));
        return request;
    }
    template <class Answer>
    static Answer&& require(Answer&& answer) {
        if (!answer.done())
            throw std::out_of_range("DictProxy: there is no such key");
        return std::forward<Answer>(answer);
    }
};

}  // namespace v0
}  // namespace multiprocessing
