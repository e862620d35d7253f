// SPDX-License-Identifier: BSL-1.0
// cpu_count() and process_cpu_count().
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <multiprocessing/os/cpu.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The number in MULTIPROCESSING_CPU_COUNT, when it is one.
inline std::optional<int> given_cpu_count() noexcept {
    const char* const value = std::getenv("MULTIPROCESSING_CPU_COUNT");
    if (value == nullptr)
        return std::nullopt;
    const std::string_view text(value);
    int count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size() || count < 1)
        return std::nullopt;
    return count;
}

}  // namespace detail

/// @returns the logical CPUs of the machine, at least 1; the number in the environment variable
///     MULTIPROCESSING_CPU_COUNT instead, if it holds one
/// @par Python `multiprocessing.cpu_count`; the variable there is PYTHON_CPU_COUNT
[[nodiscard]] inline int cpu_count() {
    return detail::given_cpu_count().value_or(os::online_cpus());
}

/// @returns the CPUs that this process may use, at least 1: those of its affinity mask, and no more
///     than the smallest cgroup quota above it, rounded up; MULTIPROCESSING_CPU_COUNT wins
/// @par Python `os.process_cpu_count`, which does not know quotas
[[nodiscard]] inline int process_cpu_count() {
    if (const auto given = detail::given_cpu_count())
        return *given;
    const int allowed = os::affinity_cpus();
    const auto quota = os::cgroup_quota();
    if (!quota || *quota >= allowed)
        return allowed;
    return std::max(static_cast<int>(std::ceil(*quota)), 1);
}

}  // namespace v0
}  // namespace multiprocessing
