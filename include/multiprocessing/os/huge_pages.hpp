// SPDX-License-Identifier: BSL-1.0
// Asks for huge pages under memory that is about to be filled: fewer first touches.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace multiprocessing {
inline namespace v0 {
namespace os {

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

/// Advises the kernel to back the whole pages in [place, place + size) by huge ones. A refusal
/// costs speed alone, so it is not reported; below one huge page nothing is asked.
inline void advise_huge_pages(void* place, std::size_t size) noexcept {
    if (size < huge_page)
        return;
    constexpr std::uintptr_t page = 4096;
    const auto begin = reinterpret_cast<std::uintptr_t>(place);
    const std::uintptr_t first = (begin + page - 1) / page * page;
    const std::uintptr_t last = (begin + size) / page * page;
    (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
