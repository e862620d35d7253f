// SPDX-License-Identifier: BSL-1.0
// A number in the options of a call, whatever integer type it was written with.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <multiprocessing/core/errors.hpp>

namespace multiprocessing {
inline namespace v0 {

/// A number in an option: any integer converts to it.
class Count {
  public:
    template <std::integral N>
    constexpr Count(N n) noexcept
        : value_(std::in_range<std::int64_t>(n) ? static_cast<std::int64_t>(n)
                                                : std::numeric_limits<std::int64_t>::max()) {}

    /// @throws ValueError below `least`
    [[nodiscard]] std::uint64_t at_least(std::int64_t least, const char* name) const {
        if (value_ < least)
            throw ValueError(std::string(name) + " must be at least " + std::to_string(least) +
                             ", not " + std::to_string(value_));
        return static_cast<std::uint64_t>(value_);
    }

  private:
    std::int64_t value_;
};

}  // namespace v0
}  // namespace multiprocessing
