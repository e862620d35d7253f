// SPDX-License-Identifier: BSL-1.0
// The server's dictionaries and lists: of bytes, whose types only the clients know.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <multiprocessing/managers/object.hpp>
#include <multiprocessing/managers/protocol.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// Values by keys, in the order in which the keys came. Also a Namespace.
class dict_object final : public managed_object {
  public:
    /// The keys' bytes are equal if, and only if, the keys are.
    struct entry {
        std::string key;
        stored_value value;
    };
    using entries = std::list<entry>;

    [[nodiscard]] const entries& all() const noexcept { return entries_; }

    /// @returns null when the key is missing
    [[nodiscard]] stored_value* find(std::string_view key) {
        const auto found = places_.find(key);
        return found == places_.end() ? nullptr : &found->second->value;
    }
    void set(std::string_view key, stored_value value) {
        if (stored_value* present = find(key)) {
            std::swap(*present, value);
            return;
        }
        entries_.push_back({std::string(key), std::move(value)});
        places_.emplace(entries_.back().key, std::prev(entries_.end()));
    }
    bool erase(std::string_view key) {
        const auto found = places_.find(key);
        if (found == places_.end())
            return false;
        const auto place = found->second;
        places_.erase(found);
        entries_.erase(place);
        return true;
    }
    void clear() {
        places_.clear();
        entries_.clear();
    }

    void handle(call& request) override {
        input_cursor& in = request.in;
        heap_buffer& out = request.out;
        switch (request.what) {
            case verb::size:
                return out.append_value(static_cast<std::uint64_t>(entries_.size()));
            case verb::get:
            case verb::pop: {
                const std::string_view key = take_bytes(in);
                const stored_value* const found = find(key);
                if (found == nullptr)
                    return request.finish(status::nothing);
                request.give(*found);
                if (request.what == verb::pop)
                    erase(key);
                return;
            }
            case verb::set: {
                const std::string_view key = take_bytes(in);
                return set(key, request.take_value());
            }
            case verb::contains:
                return out.append_value(
                    static_cast<std::uint8_t>(find(take_bytes(in)) != nullptr ? 1 : 0));
            case verb::erase:
                if (!erase(take_bytes(in)))
                    request.finish(status::nothing);
                return;
            case verb::pop_last:
                if (entries_.empty())
                    return request.finish(status::nothing);
                managed::append_bytes(out, entries_.back().key);
                request.give(entries_.back().value);
                erase(std::string(entries_.back().key));
                return;
            case verb::set_default: {
                const std::string_view key = take_bytes(in);
                if (find(key) == nullptr)
                    set(key, request.take_value());
                return request.give(*find(key));
            }
            case verb::extend:
                for (std::size_t left = take_count(in, 20); left > 0; --left) {
                    const std::string_view key = take_bytes(in);
                    set(key, request.take_value());
                }
                return;
            case verb::items:
            case verb::keys:
            case verb::values:
                out.append_value(static_cast<std::uint64_t>(entries_.size()));
                for (const entry& each : entries_) {
                    if (request.what != verb::values)
                        managed::append_bytes(out, each.key);
                    if (request.what != verb::keys)
                        request.give(each.value);
                }
                return;
            case verb::clear:
                return clear();
            default:
                refuse(request);
        }
    }

  private:
    entries entries_;
    std::unordered_map<std::string_view, entries::iterator> places_;
};

/// Values in a row. Also an Array, whose size is fixed, and a Value, which is one of one.
class list_object final : public managed_object {
  public:
    explicit list_object(bool fixed) : fixed_(fixed) {}

    std::vector<stored_value> values;

    /// Puts others in the place of all.
    /// @throws ValueError when the size is fixed and another
    void replace(std::vector<stored_value> others) {
        if (fixed_ && others.size() != values.size())
            throw ValueError("ArrayProxy: the size of an array does not change");
        std::swap(values, others);
    }

    /// @param index as in Python: below zero it counts from the end
    /// @throws std::out_of_range
    [[nodiscard]] stored_value& at(std::int64_t index) { return values[place_of(index)]; }

    void handle(call& request) override {
        input_cursor& in = request.in;
        switch (request.what) {
            case verb::size:
                return request.out.append_value(static_cast<std::uint64_t>(values.size()));
            case verb::get:
                return request.give(at(in.read_value<std::int64_t>()));
            case verb::set: {
                stored_value& place = at(in.read_value<std::int64_t>());
                stored_value before = std::exchange(place, request.take_value());
                return;
            }
            case verb::slice: {
                const auto [first, last] = take_range(in);
                request.out.append_value(static_cast<std::uint64_t>(last - first));
                for (std::size_t i = first; i < last; ++i)
                    request.give(values[i]);
                return;
            }
            case verb::assign: {
                const auto [first, last] = take_range(in);
                return assign(first, last, take_values(request));
            }
            default:
                break;
        }
        if (fixed_)
            refuse(request);
        switch (request.what) {
            case verb::extend:
                return assign(values.size(), values.size(), take_values(request));
            case verb::insert: {
                const std::size_t place = clamp(in.read_value<std::int64_t>());
                values.insert(position(place), request.take_value());
                return;
            }
            case verb::pop: {
                const std::size_t place = place_of(in.read_value<std::int64_t>());
                request.give(values[place]);
                values.erase(position(place));
                return;
            }
            case verb::erase:
                values.erase(position(place_of(in.read_value<std::int64_t>())));
                return;
            case verb::clear:
                return values.clear();
            default:
                refuse(request);
        }
    }

    /// Reads a number of values.
    static std::vector<stored_value> take_values(call& request) {
        std::vector<stored_value> taken(take_count(request.in, 12));
        for (stored_value& value : taken)
            value = request.take_value();
        return taken;
    }

  private:
    [[nodiscard]] std::vector<stored_value>::iterator position(std::size_t place) {
        return values.begin() + static_cast<std::ptrdiff_t>(place);
    }
    [[nodiscard]] std::size_t place_of(std::int64_t index) const {
        const auto size = static_cast<std::int64_t>(values.size());
        if (index < -size || index >= size)
            throw std::out_of_range("manager: index " + std::to_string(index) + " of a list of " +
                                    std::to_string(size));
        return static_cast<std::size_t>(index < 0 ? index + size : index);
    }
    [[nodiscard]] std::size_t clamp(std::int64_t index) const noexcept {
        const auto size = static_cast<std::int64_t>(values.size());
        return static_cast<std::size_t>(
            std::clamp<std::int64_t>(index < 0 ? index + size : index, 0, size));
    }
    [[nodiscard]] std::pair<std::size_t, std::size_t> take_range(input_cursor& in) const {
        const std::size_t first = clamp(in.read_value<std::int64_t>());
        const std::size_t last = clamp(in.read_value<std::int64_t>());
        return {first, std::max(first, last)};
    }
    /// Puts values in the place of others.
    void assign(std::size_t first, std::size_t last, std::vector<stored_value> source) {
        if (fixed_ && source.size() != last - first)
            throw ValueError("ArrayProxy: the size of an array does not change");
        const std::size_t common = std::min(source.size(), last - first);
        const auto middle = source.begin() + static_cast<std::ptrdiff_t>(common);
        std::swap_ranges(source.begin(), middle, position(first));
        if (middle == source.end())
            values.erase(position(first + common), position(last));
        else
            values.insert(position(last), std::make_move_iterator(middle),
                          std::make_move_iterator(source.end()));
    }

    const bool fixed_;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
