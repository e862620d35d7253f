// SPDX-License-Identifier: BSL-1.0
// ListProxy and ArrayProxy: values in a row in a manager's server.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/proxy.hpp>
#include <multiprocessing/managers/sent_function.hpp>
#include <multiprocessing/managers/snapshot.hpp>
#include <multiprocessing/serialization/partial.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// What lists and arrays share. Indices below zero count from the end, as in Python.
template <class Derived, class T>
class sequence_proxy : public proxy<Derived> {
    struct place {
        Derived sequence;
        std::ptrdiff_t index;

        [[nodiscard]] T read() const { return sequence.get(index); }
        void write(const T& value) const { sequence.set(index, value); }
    };

  public:
    using value_type = T;
    using reference = element<T, place>;

    /// `l[i] = v` writes; `T v = l[i]` reads. Both throw std::out_of_range.
    /// `l[i] += v`, `++l[i]` and so on do one after the other, which is not atomic; update() is.
    [[nodiscard]] reference operator[](std::ptrdiff_t index) const {
        return reference(place{self(), index});
    }
    /// @throws std::out_of_range; UnpicklingError when the value is not one of type T
    T get(std::ptrdiff_t index) const { return about(verb::get, index).send().template value<T>(); }
    /// @throws std::out_of_range
    void set(std::ptrdiff_t index, const T& value) const {
        about(verb::set, index).value(value).send();
    }
    std::size_t size() const {
        return this->ask(verb::size).send().template number<std::uint64_t>();
    }
    [[nodiscard]] bool empty() const { return size() == 0; }

    /// The values from `first` to before `last`, as far as they exist.
    /// @par Python `l[first:last]`
    [[nodiscard]] std::vector<T> slice(std::ptrdiff_t first, std::ptrdiff_t last) const {
        return about(verb::slice, first).number(std::int64_t{last}).send().template values<T>();
    }
    /// The values from `first` on. @par Python `l[first:]`
    [[nodiscard]] std::vector<T> slice(std::ptrdiff_t first) const {
        return slice(first, std::numeric_limits<std::ptrdiff_t>::max());
    }
    /// Puts other values in the place of those from `first` to before `last`.
    /// @throws ValueError for an array, when they are not as many
    /// @par Python `l[first:last] = values`
    template <std::ranges::input_range Values>
    void assign(std::ptrdiff_t first, std::ptrdiff_t last, Values&& values) const {
        auto request = about(verb::assign, first);
        request.number(std::int64_t{last}).template values<T>(std::forward<Values>(values)).send();
    }
    void assign(std::ptrdiff_t first, std::ptrdiff_t last, std::initializer_list<T> values) const {
        assign<std::initializer_list<T>>(first, last, std::move(values));
    }
    /// All of it at one moment.
    [[nodiscard]] std::vector<T> copy() const { return slice(0); }

    /// Changes a value in the server; no other call sees a state in between.
    /// @param f called there with a `T&`; else as DictProxy::update
    /// @throws std::out_of_range; what `f` throws: then nothing has changed
    template <class F>
    auto update(std::ptrdiff_t index, F&& f) const {
        (void)update_check<F, T>{};
        if constexpr (updater<F, T>) {
            using Function = std::decay_t<F>;
            return this->ask(verb::run)
                .template function<Function>(&update_in_list<T, Function>, f)
                .number(std::int64_t{index})
                .send()
                .template returned<result_of<Function>>();
        }
    }
    /// The same for all of it: `f` is called with a `std::vector<T>&`.
    template <class F>
    auto update(F&& f) const {
        (void)update_check<F, std::vector<T>>{};
        if constexpr (updater<F, std::vector<T>>) {
            using Function = std::decay_t<F>;
            return this->ask(verb::run)
                .template function<Function>(&update_list<T, Function>, f)
                .send()
                .template returned<result_of<Function>>();
        }
    }

    /// Iterates over a copy, made by begin().
    [[nodiscard]] snapshot_iterator<T> begin() const { return snapshot_iterator<T>(copy()); }
    [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

    /// Compares the values; two proxies are compared by what they name.
    friend bool operator==(const Derived& sequence, const std::vector<T>& values) {
        return sequence.copy() == values;
    }

  protected:
    sequence_proxy() { (void)argument_check<T>{}; }
    ~sequence_proxy() = default;
    sequence_proxy(const sequence_proxy&) = default;
    sequence_proxy& operator=(const sequence_proxy&) = default;
    sequence_proxy(sequence_proxy&&) = default;
    sequence_proxy& operator=(sequence_proxy&&) = default;

    [[nodiscard]] request about(verb what, std::ptrdiff_t index) const {
        auto request = this->ask(what);
        request.number(std::int64_t{index});
        return request;
    }

  private:
    [[nodiscard]] const Derived& self() const { return static_cast<const Derived&>(*this); }
};

}  // namespace managed
}  // namespace detail

/// A list in a manager's server.
///
/// A handle, as DictProxy is; see there.
/// @par Python `multiprocessing.managers.ListProxy`. `del l[i]` is `l.erase(i)`, `l[a:b]` is
///     `l.slice(a, b)`, `len(l)` is `l.size()`.
template <class T>
class ListProxy : public detail::managed::sequence_proxy<ListProxy<T>, T> {
    using verb = detail::managed::verb;

  public:
    /// Names no list, until one is assigned.
    ListProxy() = default;

    void append(const T& value) const {
        this->ask(verb::extend).number(std::uint64_t{1}).value(value).send();
    }
    /// Appends many values in one round trip.
    template <std::ranges::input_range Values>
    void extend(Values&& values) const {
        this->ask(verb::extend).template values<T>(std::forward<Values>(values)).send();
    }
    void extend(std::initializer_list<T> values) const {
        extend<std::initializer_list<T>>(std::move(values));
    }
    /// Inserts before the place `index`; at the end of a shorter list.
    void insert(std::ptrdiff_t index, const T& value) const {
        this->about(verb::insert, index).value(value).send();
    }
    /// Takes a value out. @throws std::out_of_range when it does not exist
    T pop(std::ptrdiff_t index = -1) const {
        return this->about(verb::pop, index).send().template value<T>();
    }
    /// @throws std::out_of_range @par Python `del l[index]`
    void erase(std::ptrdiff_t index) const { this->about(verb::erase, index).send(); }
    void clear() const { this->ask(verb::clear).send(); }

    /// Removes the first value that is equal.
    /// @throws ValueError when there is none, or the server is another program's, as update()
    void remove(const T& value) const {
        this->update(multiprocessing::partial(
            [](T wanted, std::vector<T>& values) {
                const auto found = std::ranges::find(values, wanted);
                if (found == values.end())
                    throw ValueError("ListProxy.remove: the value is not in the list");
                values.erase(found);
            },
            value));
    }
    /// @returns where the first value is that is equal @throws ValueError when there is none
    [[nodiscard]] std::size_t index(const T& value) const {
        const auto values = this->copy();
        const auto found = std::ranges::find(values, value);
        if (found == values.end())
            throw ValueError("ListProxy.index: the value is not in the list");
        return static_cast<std::size_t>(found - values.begin());
    }
    [[nodiscard]] std::size_t count(const T& value) const {
        return static_cast<std::size_t>(std::ranges::count(this->copy(), value));
    }
    bool contains(const T& value) const { return count(value) > 0; }
    /// @throws ValueError when the server is another program's, as update()
    void sort() const {
        this->update(+[](std::vector<T>& values) { std::ranges::stable_sort(values); });
    }
    /// @throws ValueError when the server is another program's, as update()
    void reverse() const {
        this->update(+[](std::vector<T>& values) { std::ranges::reverse(values); });
    }
};

/// Values in a row in a manager's server, their number fixed.
///
/// A handle, as DictProxy is; see there.
/// @par Python `multiprocessing.managers.ArrayProxy`
template <class T>
class ArrayProxy : public detail::managed::sequence_proxy<ArrayProxy<T>, T> {
  public:
    /// Names no array, until one is assigned.
    ArrayProxy() = default;
};

}  // namespace v0
}  // namespace multiprocessing
