// SPDX-License-Identifier: BSL-1.0
// The packets between a process, the programs that it executes and its fork servers.
#pragma once

#include <array>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/logging.hpp>
#include <multiprocessing/memory/family.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/os/socket.hpp>
#include <multiprocessing/process/start_method.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The exit code of a child that somebody else reaped: Python's 255.
inline constexpr int unknown_exitcode = 255;

inline constexpr std::uint64_t wire_magic = 0x31'30'76'72'65'73'70'6d;  // "mpserv01"
/// Payloads up to this size travel in the packet, larger ones in a memory file.
inline constexpr std::size_t largest_inline_payload = 16 * 1024;
/// No packet is larger.
inline constexpr std::size_t largest_packet = 32 * 1024;

/// What a forked child gets.
struct child_setup {
    std::uint64_t id = 0;  ///< as given to fork_server::start
    std::string name;      ///< the process name
    std::vector<std::byte> payload;
    std::vector<os::descriptor> descriptors;
    void* inherited = nullptr;  ///< the pointer given to a fork server that was forked
};
/// What a child does. @returns the exit status
using child_role = int (*)(child_setup&);

/// The first packet of a program that was executed.
struct wire_hello {
    std::uint64_t magic = wire_magic;
    std::uint64_t digest = 0;
};

enum class boot_mode : std::uint32_t { server, process };

/// The answer: what the program is to be. The parent's name and the thread name follow.
struct wire_boot {
    std::uint64_t magic = wire_magic;
    std::uint64_t digest = 0;
    boot_mode mode = boot_mode::server;
    StartMethod method = StartMethod::spawn;
    std::int32_t parent = 0;
    std::uint32_t parent_name_size = 0;
    std::uint32_t thread_name_size = 0;
    std::uint32_t hosts_processes = 0;
    family_id family{};
    sigset_t mask{};
};

/// How a child differs from a pool worker, bit by bit.
enum child_flags : std::uint32_t {
    worker_child = 0,
    plain_process = 1,   ///< stays in the parent's group, keeps the effect of SIGINT
    survives_server = 2  ///< not killed when the server or its parent ends
};

enum class request_kind : std::uint32_t { start, signal };

/// Parent to server. The name, the path and the payload follow.
struct wire_request {
    request_kind kind = request_kind::start;
    std::uint32_t flags = worker_child;
    std::uint64_t id = 0;
    std::uint64_t role_image = 0;
    std::uint64_t role_offset = 0;
    std::int32_t signal = 0;
    std::uint32_t name_size = 0;
    std::uint32_t path_size = 0;
    std::uint32_t payload_in_file = 0;
    std::uint64_t payload_size = 0;
    LogLevel log_level = LogLevel::warning;
    std::uint32_t log_to_stderr = 0;

    /// As the parent logs when it asks; a server may have been started long before.
    [[nodiscard]] log_settings logging() const noexcept { return {log_level, log_to_stderr != 0}; }
};

/// Server to parent.
struct wire_event {
    std::uint32_t kind = 0;
    std::int32_t pid = 0;
    std::uint64_t id = 0;
    std::int32_t exitcode = 0;
    std::int32_t error = 0;
};

static_assert(std::is_trivially_copyable_v<wire_hello> && sizeof(wire_hello) == 16);
static_assert(std::is_trivially_copyable_v<wire_boot> && sizeof(wire_boot) == 192);
static_assert(std::is_trivially_copyable_v<wire_request> && sizeof(wire_request) == 64);
static_assert(std::is_trivially_copyable_v<wire_event> && sizeof(wire_event) == 24);

/// A packet that waits for room in the socket.
struct waiting_packet {
    std::vector<std::byte> bytes;
    std::vector<os::descriptor> descriptors;

    os::send_result send(int fd) const {
        std::vector<int> numbers;
        for (const os::descriptor& descriptor : descriptors)
            numbers.push_back(descriptor.get());
        const std::array<std::span<const std::byte>, 1> parts{bytes};
        return os::send_packet(fd, parts, numbers);
    }
};

template <class T>
    requires std::is_trivially_copyable_v<T>
void append_wire(std::vector<std::byte>& bytes, const T& value) {
    const auto* const first = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), first, first + sizeof value);
}
inline void append_wire(std::vector<std::byte>& bytes, std::string_view text) {
    const auto* const first = reinterpret_cast<const std::byte*>(text.data());
    bytes.insert(bytes.end(), first, first + text.size());
}
inline std::string take_string(input_cursor& cursor, std::size_t size) {
    return {reinterpret_cast<const char*>(cursor.take(size)), size};
}

/// A start request, taken apart.
struct start_request {
    wire_request header;
    std::string path;
    child_setup setup;
};

/// Makes the packet that starts a child.
/// @param path the child's place in the tree of processes, "1:2"
/// @throws ValueError for more descriptors than a packet carries, or a name too long for one
inline waiting_packet make_start_packet(wire_request header, std::string_view name,
                                        std::string_view path, std::span<const std::byte> payload,
                                        std::span<const int> descriptors) {
    if (descriptors.size() >= os::max_packet_descriptors)
        throw ValueError("a process gets at most 252 descriptors");
    if (name.size() + path.size() > largest_packet - largest_inline_payload - sizeof header)
        throw ValueError("the name of a process is at most 8000 characters long");
    const bool in_file = payload.size() > largest_inline_payload;
    header.kind = request_kind::start;
    header.name_size = static_cast<std::uint32_t>(name.size());
    header.path_size = static_cast<std::uint32_t>(path.size());
    header.payload_size = payload.size();
    header.payload_in_file = in_file ? 1 : 0;
    const log_settings logging = log_settings::of_this_process();
    header.log_level = logging.level;
    header.log_to_stderr = logging.to_stderr ? 1 : 0;
    waiting_packet packet;
    append_wire(packet.bytes, header);
    append_wire(packet.bytes, name);
    append_wire(packet.bytes, path);
    for (const int fd : descriptors)
        packet.descriptors.push_back(os::duplicate(fd));
    if (in_file) {
        os::descriptor file = os::create_memory("multiprocessing-payload", payload.size());
        os::write_all(file.get(), payload);
        packet.descriptors.push_back(std::move(file));
    } else {
        packet.bytes.insert(packet.bytes.end(), payload.begin(), payload.end());
    }
    return packet;
}

/// Takes a start packet apart.
/// @throws UnpicklingError when it is none
inline start_request read_start_packet(std::span<const std::byte> bytes,
                                       std::vector<os::descriptor> descriptors) {
    input_cursor cursor(bytes);
    start_request request{cursor.read_value<wire_request>(), {}, {}};
    request.setup.id = request.header.id;
    request.setup.name = take_string(cursor, request.header.name_size);
    request.path = take_string(cursor, request.header.path_size);
    const auto size = static_cast<std::size_t>(request.header.payload_size);
    if (request.header.payload_in_file == 0) {
        const std::byte* const first = cursor.take(size);
        request.setup.payload.assign(first, first + size);
    } else {
        if (descriptors.empty())
            throw UnpicklingError("a start request lost its payload");
        const os::descriptor file = std::move(descriptors.back());
        descriptors.pop_back();
        const os::memory_map map(file.get(), 0, size, os::memory_map::access::read);
        request.setup.payload.assign(map.data(), map.data() + size);
    }
    request.setup.descriptors = std::move(descriptors);
    return request;
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
