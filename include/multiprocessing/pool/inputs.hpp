// SPDX-License-Identifier: BSL-1.0
// The items of a map: referred to where they stay in place, else collected and owned.
#pragma once

#include <concepts>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/serialization/arguments.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Gives a value that a job keeps a life of its own, if its type says how by `keep_open(T&)`:
/// whoever handed it in may close it before it is written for a worker.
template <class T>
void keep_for_job(T& value) {
    if constexpr (requires { keep_open(value); })
        keep_open(value);
    else if constexpr (requires { std::tuple_size<T>::value; })
        std::apply([](auto&... parts) { (keep_for_job(parts), ...); }, value);
}

/// Items that the caller keeps alive and unchanged until the job is done.
template <class Item>
class borrowed_items {
  public:
    explicit borrowed_items(std::span<const Item> items) noexcept : items_(items) {}
    [[nodiscard]] std::uint64_t size() const noexcept { return items_.size(); }
    [[nodiscard]] const Item& operator[](std::uint64_t i) const noexcept { return items_[i]; }
    /// Where all items stand in a row.
    [[nodiscard]] const Item* data() const noexcept { return items_.data(); }
    void clear() noexcept { items_ = {}; }

  private:
    std::span<const Item> items_;
};

/// Items of the job's own. Boxed, because std::vector<bool> has no elements to refer to.
template <class Item>
class owned_items {
    struct box {
        Item item;
    };

  public:
    owned_items() = default;
    template <class Range>
    explicit owned_items(Range&& range) {
        if constexpr (std::ranges::sized_range<Range>)
            items_.reserve(static_cast<std::size_t>(std::ranges::size(range)));
        for (auto&& element : range)
            push_back(std::forward<decltype(element)>(element));
    }
    template <class Element>
    void push_back(Element&& element) {
        items_.push_back(box{static_cast<Item>(std::forward<Element>(element))});
        keep_for_job(items_.back().item);
    }
    [[nodiscard]] std::uint64_t size() const noexcept { return items_.size(); }
    [[nodiscard]] const Item& operator[](std::uint64_t i) const noexcept { return items_[i].item; }
    [[nodiscard]] Item& operator[](std::uint64_t i) noexcept { return items_[i].item; }
    [[nodiscard]] const Item* data() const noexcept {
        static_assert(sizeof(box) == sizeof(Item));
        return items_.empty() ? nullptr : &items_.front().item;
    }
    void clear() noexcept { items_ = std::vector<box>(); }  // boxes need no assignment

  private:
    std::vector<box> items_;
};

/// A range whose elements are Items in a row and outlive a call that waits for its result.
template <class Range, class Item>
concept stays_in_place = std::ranges::contiguous_range<Range> && std::ranges::sized_range<Range> &&
    std::same_as<std::remove_cv_t<std::ranges::range_value_t<Range>>, Item> &&
    std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>>;

/// The items of `range` for a call that returns when they are all done.
template <class Item, class Range>
auto items_for_blocking(Range&& range) {
    if constexpr (stays_in_place<Range, Item>)
        return borrowed_items<Item>(
            std::span<const Item>(std::ranges::data(range), std::ranges::size(range)));
    else
        return owned_items<Item>(std::forward<Range>(range));
}

template <class R>
inline constexpr bool is_initializer_list = false;
template <class T>
inline constexpr bool is_initializer_list<std::initializer_list<T>> = true;

/// What map and its kin take; braced lists have overloads of their own.
template <class R>
concept input_items = std::ranges::input_range<R> && !is_initializer_list<std::remove_cvref_t<R>>;

/// The item of a function whose parameter cannot be told: whatever a braced list holds, what is
/// said about the function must be the only error.
struct any_item {
    template <class T>
    any_item(T&&) noexcept {}  // NOLINT: a conversion
};
/// The element types of braced lists where the function may not be known yet.
template <class F>
using item_or_any = std::conditional_t<std::is_void_v<item_of<F>>, any_item, item_of<F>>;
template <class F>
using braced_items = std::initializer_list<item_or_any<F>>;
template <class F>
using braced_rows = std::initializer_list<arguments_for<F>>;

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
