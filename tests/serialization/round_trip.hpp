// SPDX-License-Identifier: BSL-1.0
// Sends a value through dumps and loads.
#pragma once

#include <multiprocessing/serialization.hpp>

template <class T>
T round_trip(const T& value) {
    return multiprocessing::loads<T>(multiprocessing::dumps(value));
}

template <class T>
bool same_after_trip(const T& value) {
    return round_trip(value) == value;
}
