// SPDX-License-Identifier: BSL-1.0
// The values that all contenders turn into bytes and back.
#pragma once

#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "reporter.hpp"

namespace benchmark {

struct Order {
    std::int64_t number;
    double price;
    std::int32_t pieces;
    bool paid;

    bool operator==(const Order&) const = default;
};

struct Customer {
    std::string name;
    std::vector<Order> orders;
    std::map<std::string, std::string> notes;

    bool operator==(const Customer&) const = default;
};

inline constexpr int integer = 123456789;
inline constexpr Order order{42, 19.95, 3, true};

inline std::vector<double> vector_of_1000() {
    std::vector<double> result(1000);
    std::iota(result.begin(), result.end(), 0.5);
    return result;
}
inline std::map<std::string, int> map_of_100() {
    std::map<std::string, int> result;
    for (int i = 0; i < 100; ++i)
        result["key number " + std::to_string(i)] = i;
    return result;
}
inline Customer customer_of_10() {
    return {"Ada Lovelace",
            std::vector<Order>(10, order),
            {{"address", "12 St James's Square"}, {"since", "1843"}}};
}

/// Adds dumps_NAME and loads_NAME. `Codec::dumps(value)` makes bytes and `Codec::loads<T>(bytes)` a
/// value.
template <class Codec, class T>
void add_value(const Micro& micro, const std::string& name, const T& value) {
    const auto bytes = Codec::dumps(value);
    require(Codec::template loads<T>(bytes) == value, name);
    micro.add("dumps_" + name, [value] { DoNotOptimize(Codec::dumps(value)); });
    micro.add("loads_" + name, [bytes] { DoNotOptimize(Codec::template loads<T>(bytes)); });
}

template <class Codec>
void add_values(const Micro& micro) {
    add_value<Codec>(micro, "int", integer);
    add_value<Codec>(micro, "aggregate", order);
    add_value<Codec>(micro, "vector", vector_of_1000());
    add_value<Codec>(micro, "map", map_of_100());
    add_value<Codec>(micro, "nested", customer_of_10());
}

}  // namespace benchmark
