// SPDX-License-Identifier: BSL-1.0
// ShareableList: numbers and texts in a named block of shared memory, laid out as Python's.
#pragma once

#include <algorithm>
#include <compare>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/shared/shareable_list_layout.hpp>
#include <multiprocessing/shared/shareable_value.hpp>
#include <multiprocessing/shared/shared_memory.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace shared_memory {
class ShareableList;
}
namespace detail {

/// What a new list is made from: a range, but neither a list nor a text.
template <class R>
concept shareable_items =
    !std::is_base_of_v<shared_memory::ShareableList, std::remove_cvref_t<R>> &&
    !std::convertible_to<R, std::string_view> && std::ranges::input_range<R> &&
    std::convertible_to<std::ranges::range_value_t<R>, shared_memory::ShareableValue> &&
    !one_of<std::ranges::range_value_t<R>, wchar_t, char8_t, char16_t, char32_t>;

}  // namespace detail

namespace shared_memory {

/// A list whose length is fixed and whose items change in place: an item may change its type; a
/// text may grow to the size of its slot, which is its first length, rounded up beyond it to 8
/// bytes.
///
/// A handle: copies name the same list, and so does what another process unpickles or opens by
/// name.
/// @note Items are not locked: two processes that write the same item at the same time need a Lock.
/// @par Python `multiprocessing.shared_memory.ShareableList(sequence, name=)`. Zeros at the end of
///     texts and bytes are lost, as there. Lengths are those of the UTF-8 text, so that a text that
///     is not ASCII is not cut off.
class ShareableList {
  public:
    using multiprocessing_handle = void;

    /// Names no list, until one is assigned.
    ShareableList() noexcept = default;
    // Copies and moves are made by templates, which take no braces: g++ 12 would else call
    // ({.name = n}) ambiguous, for it takes those braces for a list, too.
    ShareableList(const volatile ShareableList&) = delete;
    template <std::same_as<ShareableList> List>
    ShareableList(const List& other) noexcept : memory_(other.memory_) {}
    template <std::same_as<ShareableList> List>
    ShareableList(List&& other) noexcept : memory_(std::move(other.memory_)) {}
    ShareableList& operator=(const ShareableList&) noexcept = default;
    ShareableList& operator=(ShareableList&&) noexcept = default;
    ~ShareableList() = default;

    /// Makes a list in a new block.
    /// @throws std::system_error (ENOSPC); ValueError for a text or bytes of 9,999,992 bytes or
    /// more
    ShareableList(std::initializer_list<ShareableValue> items)
        : ShareableList(std::nullopt, std::span(items.begin(), items.size())) {}
    template <detail::shareable_items Items>
    explicit ShareableList(Items&& items) : ShareableList(std::nullopt, collected(items)) {}
    /// Opens a list. @throws std::system_error (ENOENT); ValueError when the block holds no list
    // A template, as the one above: a braced list with a designator must not be taken for a text.
    template <std::convertible_to<std::string_view> Text>
    explicit ShareableList(const Text& name)
        : ShareableList(SharedMemoryOptions{.name = std::string(std::string_view(name))}) {}
    /// Opens a list by its name, `ShareableList list({.name = "x"})`.
    /// @throws ValueError when `create` is set: give the items
    explicit ShareableList(SharedMemoryOptions options) {
        if (options.create)
            throw ValueError("ShareableList: a new list needs its items");
        memory_ = SharedMemory(std::move(options));
        layout().check();
    }
    /// Makes a list under a name; who finds it finds all items. @throws as above, and EEXIST
    ShareableList(std::initializer_list<ShareableValue> items, const std::string& name)
        : ShareableList(std::optional(name), std::span(items.begin(), items.size())) {}
    template <detail::shareable_items Items>
    ShareableList(Items&& items, const std::string& name)
        : ShareableList(std::optional(name), collected(items)) {}

    [[nodiscard]] const SharedMemory& shm() const noexcept { return memory_; }
    [[nodiscard]] std::size_t size() const { return layout().size(); }

    /// @param index negative: from the end
    /// @throws std::out_of_range
    [[nodiscard]] ShareableValue at(std::ptrdiff_t index) const {
        return layout().read(position(index));
    }
    /// Replaces an item.
    /// @throws std::out_of_range; ValueError for a text or bytes larger than the item's slot
    void set(std::ptrdiff_t index, const ShareableValue& value) const {
        layout().write(position(index), value);
    }

    /// What `list[i]` is: reads as the item, and writes through. `double x = list[1]` reads the
    /// item as as<double>() does.
    class Reference {
      public:
        operator ShareableValue() const { return list_->at(index_); }
        /// @throws ValueError when the item has another type, or the number does not fit
        template <class T>
            requires(detail::shareable_number<T> ||
                     detail::one_of<T, bool, std::string, ShareableValue::bytes>)
        operator T() const { return as<T>(); }
        template <class T>
        [[nodiscard]] T as() const {
            return list_->at(index_).template as<T>();
        }
        const Reference& operator=(const ShareableValue& value) const {
            list_->set(index_, value);
            return *this;
        }
        const Reference& operator=(const Reference& other) const {
            return *this = ShareableValue(other);
        }
        Reference(const Reference&) = default;

        /// Equal are items of the same type: 1 is neither 1.0 nor true.
        // A template, else the conversions to numbers would be as good.
        template <class T>
            requires std::convertible_to<const T&, ShareableValue>
        friend bool operator==(const Reference& a, const T& b) {
            return ShareableValue(a) == ShareableValue(b);
        }
        friend bool operator==(const Reference& a, const Reference& b) {
            return ShareableValue(a) == ShareableValue(b);
        }

      private:
        friend class ShareableList;
        Reference(const ShareableList& list, std::ptrdiff_t index) : list_(&list), index_(index) {}

        const ShareableList* list_;
        std::ptrdiff_t index_;
    };
    /// @throws std::out_of_range
    [[nodiscard]] Reference operator[](std::ptrdiff_t index) const {
        (void)position(index);
        return {*this, index};
    }

    /// Goes over the items; `*it` is a Reference.
    class iterator {
      public:
        using iterator_concept = std::random_access_iterator_tag;
        using iterator_category = std::input_iterator_tag;
        using value_type = ShareableValue;
        using difference_type = std::ptrdiff_t;
        using reference = Reference;
        using pointer = void;

        iterator() noexcept = default;

        [[nodiscard]] Reference operator*() const { return {*list_, index_}; }
        [[nodiscard]] Reference operator[](std::ptrdiff_t n) const { return *(*this + n); }
        iterator& operator+=(std::ptrdiff_t n) noexcept {
            index_ += n;
            return *this;
        }
        iterator& operator-=(std::ptrdiff_t n) noexcept { return *this += -n; }
        iterator& operator++() noexcept { return *this += 1; }
        iterator& operator--() noexcept { return *this -= 1; }
        iterator operator++(int) noexcept { return std::exchange(*this, *this + 1); }
        iterator operator--(int) noexcept { return std::exchange(*this, *this - 1); }
        friend iterator operator+(iterator it, std::ptrdiff_t n) noexcept { return it += n; }
        friend iterator operator+(std::ptrdiff_t n, iterator it) noexcept { return it += n; }
        friend iterator operator-(iterator it, std::ptrdiff_t n) noexcept { return it -= n; }
        friend std::ptrdiff_t operator-(const iterator& a, const iterator& b) noexcept {
            return a.index_ - b.index_;
        }
        friend bool operator==(const iterator&, const iterator&) = default;
        friend auto operator<=>(const iterator& a, const iterator& b) noexcept {
            return a.index_ <=> b.index_;
        }

      private:
        friend class ShareableList;
        iterator(const ShareableList& list, std::ptrdiff_t index) noexcept
            : list_(&list), index_(index) {}

        const ShareableList* list_ = nullptr;
        std::ptrdiff_t index_ = 0;
    };
    using value_type = ShareableValue;
    [[nodiscard]] iterator begin() const noexcept { return {*this, 0}; }
    [[nodiscard]] iterator end() const { return {*this, static_cast<std::ptrdiff_t>(size())}; }

    /// All items, as they are now.
    [[nodiscard]] std::vector<ShareableValue> copy() const {
        std::vector<ShareableValue> items;
        for (std::size_t i = 0; i < size(); ++i)
            items.push_back(layout().read(i));
        return items;
    }
    [[nodiscard]] std::size_t count(const ShareableValue& value) const {
        return static_cast<std::size_t>(std::ranges::count(copy(), value));
    }
    /// The first place of a value. @throws ValueError when it is not there
    [[nodiscard]] std::size_t index(const ShareableValue& value) const {
        const auto items = copy();
        const auto found = std::ranges::find(items, value);
        if (found == items.end())
            throw ValueError("ShareableList.index: the value is not in the list");
        return static_cast<std::size_t>(found - items.begin());
    }
    /// The formats of all items, in the manner of Python's struct module.
    [[nodiscard]] std::string format() const {
        std::string all;
        for (std::size_t i = 0; i < size(); ++i)
            all += layout().format_of(i);
        return all;
    }

    friend bool operator==(const ShareableList&, const ShareableList&) = default;

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        memory_.serialize(archive, version);
        if constexpr (Archive::is_loading::value) {
            try {
                layout().check();
            } catch (const ValueError& error) {  // the name is another block's by now
                throw UnpicklingError(error.what());
            }
        }
    }

  private:
    template <class Items>
    static std::vector<ShareableValue> collected(Items& items) {
        std::vector<ShareableValue> list;
        for (auto&& item : items)
            list.emplace_back(static_cast<std::ranges::range_value_t<Items>>(item));
        return list;
    }
    ShareableList(const std::optional<std::string>& name, std::span<const ShareableValue> items) {
        const auto [size, head] = detail::list_layout::plan(items);
        const auto make = [&, &head = head](std::span<std::byte> bytes) {
            detail::list_layout(bytes).make(head, items);
        };
        memory_ = SharedMemory(name, size, make);
    }

    [[nodiscard]] detail::list_layout layout() const { return detail::list_layout(memory_.buf()); }
    [[nodiscard]] std::size_t position(std::ptrdiff_t index) const {
        const auto count = static_cast<std::ptrdiff_t>(size());
        if (index < -count || index >= count)
            throw std::out_of_range("ShareableList: there is no item " + std::to_string(index));
        return static_cast<std::size_t>(index < 0 ? index + count : index);
    }

    SharedMemory memory_;
};

}  // namespace shared_memory
}  // namespace v0
}  // namespace multiprocessing
