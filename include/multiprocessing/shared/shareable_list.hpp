// SPDX-License-Identifier: BSL-1.0
// ShareableList: numbers and texts in a named block of shared memory, laid out as Python's.
//
// Layout, all numbers native 64-bit: the count N; N + 1 offsets of the items from the beginning of
// the data, the last one their end; the data; N formats of 8 bytes in the manner of Python's struct
// module; N bytes that tell texts, bytes and None apart. An item's slot is a multiple of 8 bytes.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/shared/shared_memory.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

template <class T, class... Types>
concept one_of = (std::same_as<T, Types> || ...);

/// The numbers that an item is read as; characters are none.
template <class T>
concept shareable_number = std::floating_point<T> ||
    (std::integral<T> && !one_of<T, bool, char, wchar_t, char8_t, char16_t, char32_t>);

}  // namespace detail

namespace shared_memory {

/// One item of a ShareableList. @par Python None, bool, int (64 bits), float, str or bytes
class ShareableValue {
  public:
    using bytes = std::vector<std::byte>;
    using variant = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, bytes>;

    ShareableValue(std::nullptr_t = nullptr) noexcept {}
    ShareableValue(std::same_as<bool> auto value) noexcept : value_(value) {}
    /// @throws ValueError for a number beyond 64 bits with a sign
    template <std::integral N>
        requires(!std::same_as<N, bool>)
    ShareableValue(N value) : value_(static_cast<std::int64_t>(value)) {
        if (!std::in_range<std::int64_t>(value))
            throw ValueError("ShareableList: the number does not fit 64 bits with a sign");
    }
    ShareableValue(std::floating_point auto value) noexcept : value_(static_cast<double>(value)) {}
    template <class Text>
        requires std::convertible_to<const Text&, std::string_view> ShareableValue(const Text& text)
            : value_(std::string(std::string_view(text))) {}
        ShareableValue(std::same_as<bytes> auto value) noexcept : value_(std::move(value)) {}

        [[nodiscard]] const variant& get() const noexcept {
            return value_;
        }
        /// The item as one of the types above. @throws ValueError when it is another
        template <class T>
        [[nodiscard]] const T& as() const {
            if (const T* const value = std::get_if<T>(&value_))
                return *value;
            throw ValueError("ShareableList: the item has another type");
        }
        /// An int as an integer of any width, a float as a `float` or `long double`.
        /// @throws ValueError when the item is another, or the number does not fit
        template <detail::shareable_number T>
            requires(!detail::one_of<T, std::int64_t, double>)
        [[nodiscard]] T as() const {
            if constexpr (std::integral<T>) {
                const std::int64_t number = as<std::int64_t>();
                if (!std::in_range<T>(number))
                    throw ValueError("ShareableList: the number does not fit the type");
                return static_cast<T>(number);
            } else {
                return static_cast<T>(as<double>());
            }
        }
        [[nodiscard]] bool is_none() const noexcept {
            return std::holds_alternative<std::nullptr_t>(value_);
        }

        friend bool operator==(const ShareableValue&, const ShareableValue&) = default;

      private:
        variant value_ = nullptr;
};

}  // namespace shared_memory

namespace detail {

using shared_memory::ShareableValue;

/// A ShareableList's memory: what lies where.
class list_layout {
  public:
    explicit list_layout(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}

    /// How many bytes a list of those items takes, and the count and offsets at its beginning.
    /// @throws ValueError for a text or bytes whose length does not fit a format
    static std::pair<std::size_t, std::vector<std::int64_t>> plan(
        std::span<const ShareableValue> items) {
        std::vector<std::int64_t> head{static_cast<std::int64_t>(items.size()), 0};
        for (const ShareableValue& item : items) {
            const auto text = text_of(item);
            const std::size_t room = text ? (text->size() / word + 1) * word : word;
            if (room > longest)
                throw ValueError("ShareableList: a text or bytes of 9,999,992 bytes or more");
            head.push_back(head.back() + static_cast<std::int64_t>(room));
        }
        return {
            head.size() * word + static_cast<std::size_t>(head.back()) + items.size() * (word + 1),
            std::move(head)};
    }
    /// Fills zeroed memory.
    void make(const std::vector<std::int64_t>& head, std::span<const ShareableValue> items) const {
        std::memcpy(bytes_.data(), head.data(), head.size() * word);
        for (std::size_t i = 0; i < items.size(); ++i)
            write(i, items[i]);
    }

    [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(number_at(0)); }
    [[nodiscard]] std::string format_of(std::size_t i) const {
        const auto* const text = reinterpret_cast<const char*>(format_place(i));
        return {text, ::strnlen(text, word)};
    }

    /// Nothing of a foreign block is believed before all its offsets are.
    void check() const {
        const std::size_t bytes = bytes_.size();
        const auto wrong = [] { throw ValueError("ShareableList: the block holds no list"); };
        if (bytes < 2 * word || number_at(0) < 0 ||
            static_cast<std::size_t>(number_at(0)) > bytes / word - 2)
            wrong();
        const std::size_t count = size();
        const std::size_t meta = data_begin() + count * (word + 1);
        if (meta > bytes || item_offset(0) != 0)
            wrong();
        for (std::size_t i = 0; i < count; ++i)
            if (item_offset(i + 1) < item_offset(i) || item_offset(i + 1) - item_offset(i) < word ||
                item_offset(i + 1) > bytes - meta)
                wrong();
    }

    [[nodiscard]] ShareableValue read(std::size_t i) const {
        const std::span<std::byte> place = slot(i);
        const std::string format = format_of(i);
        const auto what = static_cast<kind>(kind_place(i));
        if (what == kind::none)
            return nullptr;
        if (what == kind::text || what == kind::bytes) {
            std::size_t used = place.size();
            while (used > 0 && place[used - 1] == std::byte{0})
                --used;
            if (what == kind::text)
                return std::string(reinterpret_cast<const char*>(place.data()), used);
            return ShareableValue::bytes(place.begin(),
                                         place.begin() + static_cast<std::ptrdiff_t>(used));
        }
        if (format == "d") {
            double number = 0;
            std::memcpy(&number, place.data(), sizeof number);
            return number;
        }
        if (format == "xxxxxxx?")
            return place[word - 1] != std::byte{0};
        if (format != "q")
            throw ValueError("ShareableList: an item has the format \"" + format +
                             "\", which no list has");
        std::int64_t number = 0;
        std::memcpy(&number, place.data(), sizeof number);
        return number;
    }

    void write(std::size_t i, const ShareableValue& value) const {
        const std::span<std::byte> place = slot(i);
        std::array<char, word> format{};
        const auto set_format = [&](std::string_view text) { text.copy(format.data(), word); };
        kind what = kind::plain;
        if (const auto text = text_of(value)) {
            if (text->size() > place.size())
                throw ValueError(
                    "ShareableList: the text or bytes are longer than the item's slot");
            set_format(std::to_string(place.size()) + "s");
            what = std::holds_alternative<std::string>(value.get()) ? kind::text : kind::bytes;
            std::ranges::fill(place, std::byte{0});
            std::memcpy(place.data(), text->data(), text->size());
        } else if (value.is_none()) {
            set_format("xxxxxx?x");
            what = kind::none;
            std::ranges::fill(place.first(word), std::byte{0});
        } else if (const bool* const flag = std::get_if<bool>(&value.get())) {
            set_format("xxxxxxx?");
            std::ranges::fill(place.first(word), std::byte{0});
            place[word - 1] = static_cast<std::byte>(*flag ? 1 : 0);
        } else if (const double* const real = std::get_if<double>(&value.get())) {
            set_format("d");
            std::memcpy(place.data(), real, sizeof *real);
        } else {
            set_format("q");
            std::memcpy(place.data(), &std::get<std::int64_t>(value.get()), word);
        }
        std::memcpy(format_place(i), format.data(), word);
        kind_place(i) = static_cast<std::byte>(what);
    }

  private:
    static constexpr std::size_t word = 8;
    static constexpr std::size_t longest = 9'999'999;  ///< of a slot: its format has 8 characters

    /// How Python names the kind of an item whose format is a text's.
    enum class kind : std::uint8_t { plain, text, bytes, none };

    /// The bytes of a text or of bytes; nothing for other items.
    static std::optional<std::string_view> text_of(const ShareableValue& value) {
        if (const auto* const text = std::get_if<std::string>(&value.get()))
            return *text;
        if (const auto* const bytes = std::get_if<ShareableValue::bytes>(&value.get()))
            return std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
        return std::nullopt;
    }

    [[nodiscard]] std::int64_t number_at(std::size_t offset) const {
        std::int64_t number = 0;
        std::memcpy(&number, bytes_.data() + offset, sizeof number);
        return number;
    }
    [[nodiscard]] std::size_t item_offset(std::size_t i) const {
        return static_cast<std::size_t>(number_at((1 + i) * word));
    }
    [[nodiscard]] std::size_t data_begin() const { return (size() + 2) * word; }
    [[nodiscard]] std::size_t formats_begin() const { return data_begin() + item_offset(size()); }
    [[nodiscard]] std::byte* format_place(std::size_t i) const {
        return bytes_.data() + formats_begin() + i * word;
    }
    [[nodiscard]] std::byte& kind_place(std::size_t i) const {
        return bytes_[formats_begin() + size() * word + i];
    }
    [[nodiscard]] std::span<std::byte> slot(std::size_t i) const {
        return bytes_.subspan(data_begin() + item_offset(i), item_offset(i + 1) - item_offset(i));
    }

    std::span<std::byte> bytes_;
};

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
        : ShareableList(std::span(items.begin(), items.size()), std::nullopt) {}
    template <std::same_as<std::vector<ShareableValue>> Items>
    explicit ShareableList(const Items& items) : ShareableList(std::span(items), std::nullopt) {}
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
        : ShareableList(std::span(items.begin(), items.size()), std::optional(name)) {}
    template <std::same_as<std::vector<ShareableValue>> Items>
    ShareableList(const Items& items, const std::string& name)
        : ShareableList(std::span(items), std::optional(name)) {}

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
        if constexpr (Archive::is_loading::value)
            layout().check();
    }

  private:
    ShareableList(std::span<const ShareableValue> items, const std::optional<std::string>& name) {
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
