// SPDX-License-Identifier: BSL-1.0
// How the function that a child runs is named to the process that forks it.
#pragma once

#include <cstdint>

#include <multiprocessing/os/image.hpp>
#include <multiprocessing/process/fork_server_protocol.hpp>
#include <multiprocessing/serialization/function.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @param executed the other process is an execution of its own, with addresses of its own
/// @throws PicklingError when no image holds the role
inline void encode_role(wire_request& header, child_role role, bool executed) {
    if (executed) {
        const code_ref code = encode_code(reinterpret_cast<const void*>(role));
        header.role_image = code.image;
        header.role_offset = code.offset;
    } else {
        header.role_offset = reinterpret_cast<std::uintptr_t>(role);
    }
}
/// @throws UnpicklingError when this process does not have it
inline child_role decode_role(const wire_request& header, bool executed) {
    if (!executed)
        return reinterpret_cast<child_role>(static_cast<std::uintptr_t>(header.role_offset));
    return reinterpret_cast<child_role>(decode_code({header.role_image, header.role_offset}));
}

/// What both ends of a handshake must agree on: the same build of the same program.
inline std::uint64_t program_fingerprint() {
    static const std::uint64_t digest = os::program_digest();
    return digest;
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
