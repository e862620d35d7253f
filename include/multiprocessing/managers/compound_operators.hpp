// SPDX-License-Identifier: BSL-1.0
// The operators that change a value in a manager's server: `d["hits"] += 1`.
#pragma once

#include <utility>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

// The value's own operator converts as the language has it: `n *= 0.5` for an int.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"

/// Operators that read a value through a proxy, change the copy and write it back; each exists if T
/// has it.
/// @tparam Derived has `T get() const` and is assigned a T
/// @warning Not atomic, as in Python: what another process writes in between is lost. update(key,
///     f) is.
/// @par Python `d[key] += 1`
template <class Derived, class T>
class compound_operators {
  public:
    template <class U>
        requires requires(T& value, const U& by) {
            value += by;
        }
    const Derived& operator+=(const U& by) const {
        return change([&by](T& value) { value += by; });
    }
    template <class U>
        requires requires(T& value, const U& by) {
            value -= by;
        }
    const Derived& operator-=(const U& by) const {
        return change([&by](T& value) { value -= by; });
    }
    template <class U>
        requires requires(T& value, const U& by) {
            value *= by;
        }
    const Derived& operator*=(const U& by) const {
        return change([&by](T& value) { value *= by; });
    }
    template <class U>
        requires requires(T& value, const U& by) {
            value /= by;
        }
    const Derived& operator/=(const U& by) const {
        return change([&by](T& value) { value /= by; });
    }
    template <class U>
        requires requires(T& value, const U& by) {
            value %= by;
        }
    const Derived& operator%=(const U& by) const {
        return change([&by](T& value) { value %= by; });
    }
    template <class U>
        requires requires(T& value, const U& by) {
            value &= by;
        }
    const Derived& operator&=(const U& by) const {
        return change([&by](T& value) { value &= by; });
    }
    template <class U>
        requires requires(T& value, const U& by) {
            value |= by;
        }
    const Derived& operator|=(const U& by) const {
        return change([&by](T& value) { value |= by; });
    }
    template <class U>
        requires requires(T& value, const U& by) {
            value ^= by;
        }
    const Derived& operator^=(const U& by) const {
        return change([&by](T& value) { value ^= by; });
    }
    template <class U>
        requires requires(T& value, const U& by) {
            value <<= by;
        }
    const Derived& operator<<=(const U& by) const {
        return change([&by](T& value) { value <<= by; });
    }
    template <class U>
        requires requires(T& value, const U& by) {
            value >>= by;
        }
    const Derived& operator>>=(const U& by) const {
        return change([&by](T& value) { value >>= by; });
    }

    const Derived& operator++() const requires requires(T& value) { ++value; }
    {
        return change([](T& value) { ++value; });
    }
    const Derived& operator--() const requires requires(T& value) { --value; }
    {
        return change([](T& value) { --value; });
    }
    /// @returns the value before
    T operator++(int) const requires requires(T& value) { ++value; }
    {
        T before = self().get();
        T after = before;
        ++after;
        self() = after;
        return before;
    }
    T operator--(int) const requires requires(T& value) { --value; }
    {
        T before = self().get();
        T after = before;
        --after;
        self() = after;
        return before;
    }

  protected:
    compound_operators() = default;
    ~compound_operators() = default;
    compound_operators(const compound_operators&) = default;
    compound_operators& operator=(const compound_operators&) = default;

  private:
    [[nodiscard]] const Derived& self() const { return static_cast<const Derived&>(*this); }
    template <class Change>
    const Derived& change(Change apply) const {
        T value = self().get();
        apply(value);
        return self() = value;
    }
};

#pragma GCC diagnostic pop

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
