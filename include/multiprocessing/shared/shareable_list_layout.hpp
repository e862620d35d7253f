// SPDX-License-Identifier: BSL-1.0
// The memory of a ShareableList, laid out as Python's.
//
// All numbers are native 64-bit: the count N; N + 1 offsets of the items from the beginning of the
// data, the last one their end; the data; N formats of 8 bytes in the manner of Python's struct
// module; N bytes that tell texts, bytes and None apart. An item's slot is a multiple of 8 bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/shared/shareable_value.hpp>

namespace multiprocessing {
inline namespace v0 {
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

}  // namespace v0
}  // namespace multiprocessing
