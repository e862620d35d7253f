// SPDX-License-Identifier: BSL-1.0
// How the function that a child runs is named to the process that forks it.
#pragma once

#include <cstdint>

#include <multiprocessing/process/fork_server_protocol.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

inline void role_anchor() {}
inline std::uint64_t program_fingerprint() {
    return 1;
}

/// @param executed the other process is an execution of its own, with its own addresses
inline void encode_role(wire_request& header, child_role role, bool executed) {
    const auto address = reinterpret_cast<std::uintptr_t>(role);
    header.role_offset =
        executed ? address - reinterpret_cast<std::uintptr_t>(&role_anchor) : address;
}
inline child_role decode_role(const wire_request& header, bool executed) {
    if (!executed)
        return reinterpret_cast<child_role>(header.role_offset);
    return reinterpret_cast<child_role>(header.role_offset +
                                        reinterpret_cast<std::uintptr_t>(&role_anchor));
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
