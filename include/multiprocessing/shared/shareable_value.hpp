// SPDX-License-Identifier: BSL-1.0
// One item of a ShareableList: a number, a text, bytes or nothing.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <multiprocessing/core/errors.hpp>

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

}  // namespace v0
}  // namespace multiprocessing
