// SPDX-License-Identifier: BSL-1.0
// Numbers that nobody can guess.
#pragma once

#include <sys/random.h>

#include <cstddef>
#include <type_traits>

#include <multiprocessing/os/descriptor.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// Fills `size` bytes with the kernel's randomness.
inline void fill_random(void* bytes, std::size_t size) {
    auto* next = static_cast<std::byte*>(bytes);
    while (size > 0) {
        const auto got = check(retry([&] { return ::getrandom(next, size, 0); }), "getrandom");
        next += got;
        size -= static_cast<std::size_t>(got);
    }
}

template <class Int>
    requires std::is_integral_v<Int>
[[nodiscard]] Int random_number() {
    Int number = 0;
    fill_random(&number, sizeof number);
    return number;
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
