// SPDX-License-Identifier: BSL-1.0
// Iteration over a copy of a container, fetched in one round trip.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// Walks over values that it owns; `std::default_sentinel` is its end.
template <class T>
class snapshot_iterator {
  public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = typename std::vector<T>::const_reference;  // a vector<bool> has no lvalues
    using iterator_category = std::input_iterator_tag;

    snapshot_iterator() = default;
    explicit snapshot_iterator(std::vector<T> values)
        : values_(std::make_shared<const std::vector<T>>(std::move(values))) {}

    reference operator*() const { return (*values_)[place_]; }
    const T* operator->() const requires(!std::is_same_v<T, bool>) { return &**this; }
    snapshot_iterator& operator++() {
        ++place_;
        return *this;
    }
    snapshot_iterator operator++(int) {
        auto before = *this;
        ++place_;
        return before;
    }
    friend bool operator==(const snapshot_iterator&, const snapshot_iterator&) = default;
    friend bool operator==(const snapshot_iterator& it, std::default_sentinel_t) {
        return !it.values_ || it.place_ == it.values_->size();
    }

  private:
    std::shared_ptr<const std::vector<T>> values_;
    std::size_t place_ = 0;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
