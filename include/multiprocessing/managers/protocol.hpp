// SPDX-License-Identifier: BSL-1.0
// What a manager's server and its clients say to each other.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <multiprocessing/connection/frame.hpp>
#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// Names an object of one server; never used again for another one.
using object_id = std::uint64_t;
/// The Namespace that every server begins with.
inline constexpr object_id globals_id = 1;

/// What a request asks for. Each kind of object serves some of those after `run`.
enum class verb : std::uint32_t {
    // the server itself
    create,    ///< an object_kind and its arguments; answered with the object's id
    refer,     ///< one reference to the object; with its ticket if there is one
    ticket,    ///< a reference for bytes that leave this process; answered with its number
    release,   ///< ids and how many references to each; not answered
    goodbye,   ///< what the session holds is left on purpose; not answered
    cancel,    ///< the request that waits is to be answered now; not answered itself
    count,     ///< how many objects there are
    shutdown,  ///< the server ends
    // any object
    run,     ///< a function of the program, called with the object
    invoke,  ///< a method of a registered class, by name
    size,
    get,
    set,
    erase,
    contains,
    clear,
    // containers
    items,
    keys,
    values,
    pop,
    pop_last,
    set_default,
    extend,  ///< a number of values, or of pairs
    insert,
    slice,
    assign,
    // what waits
    acquire,
    unlock,
    wait,
    notify,
    abort,
    waiting,
    put,
    done,
    join,
};

/// What an object is created as.
enum class object_kind : std::uint32_t {
    dict,
    list,
    array,  ///< a list whose size is fixed
    lock,
    rlock,
    semaphore,
    condition,
    event,
    barrier,
    queue,
    instance,
};

struct request_header {
    verb what = verb::count;
    std::int32_t thread = 0;  ///< of the client
    object_id object = 0;
};

enum class status : std::uint32_t {
    done,
    failed,     ///< an exception follows
    nothing,    ///< not there, not now, or not in time
    cancelled,  ///< as the client wished
};

/// Then come the ids of the granted references, then the result.
struct answer_header {
    status how = status::done;
    std::uint32_t grants = 0;
};

/// The first message of a connection, after the keys were compared.
struct hello {
    std::uint64_t magic = expected_magic;
    std::uint64_t program = 0;  ///< digest of the client's program
    std::uint64_t session = 0;  ///< the one that this connection is of; 0: a new one
    std::uint64_t parent = 0;   ///< of a new session: whose references it begins with
    static constexpr std::uint64_t expected_magic = 0x31'30'72'67'6e'6d'70'6d;  // "mpmngr01"
};
struct welcome {
    std::uint64_t magic = hello::expected_magic;
    std::uint64_t server = 0;  ///< random: no two servers share it
    std::uint64_t session = 0;
    std::uint64_t same_program = 0;
};

static_assert(std::is_trivially_copyable_v<request_header> && sizeof(request_header) == 16);
static_assert(std::is_trivially_copyable_v<answer_header> && sizeof(answer_header) == 8);
static_assert(std::is_trivially_copyable_v<hello> && sizeof(hello) == 32);
static_assert(std::is_trivially_copyable_v<welcome> && sizeof(welcome) == 32);

/// Below zero: for ever.
using wait_time = std::int64_t;
inline constexpr wait_time for_ever = -1;
inline wait_time wait_time_of(std::optional<Timeout> timeout) noexcept {
    return timeout ? timeout->count().count() : for_ever;
}

inline void append_bytes(output_buffer& out, std::span<const std::byte> bytes) {
    out.append_value(static_cast<std::uint64_t>(bytes.size()));
    out.append(bytes.data(), bytes.size());
}
inline void append_bytes(output_buffer& out, std::string_view text) {
    managed::append_bytes(out, std::as_bytes(std::span(text)));
}
inline std::string_view take_bytes(input_cursor& in) {
    const auto size = in.read_value<std::uint64_t>();
    if (size > in.remaining())
        throw UnpicklingError("manager: a text is longer than its message");
    return {reinterpret_cast<const char*>(in.take(size)), size};
}
/// A number of things of at least `least` bytes each, checked before memory is taken for them.
inline std::size_t take_count(input_cursor& in, std::size_t least) {
    const auto count = in.read_value<std::uint64_t>();
    if (count > in.remaining() / least)
        throw UnpicklingError("manager: a count is larger than its message");
    return static_cast<std::size_t>(count);
}

/// Where the first message in a stream of bytes lies.
struct frame_place {
    std::size_t begin = 0;
    std::uint64_t length = 0;
};
/// @returns nothing while its length has not arrived
/// @throws std::system_error (EMSGSIZE) when no message has such a length
inline std::optional<frame_place> find_frame(std::span<const std::byte> stream) {
    constexpr std::size_t short_header = 4;
    constexpr std::size_t long_header = 12;
    if (stream.size() < short_header)
        return std::nullopt;
    const bool is_long = std::to_integer<unsigned>(stream.front()) >= 0x80;
    if (is_long && stream.size() < long_header)
        return std::nullopt;
    std::size_t taken = 0;
    auto source = [&](std::span<std::byte> target) {
        std::ranges::copy(stream.subspan(taken, target.size()), target.begin());
        taken += target.size();
        return target.size();
    };
    const std::uint64_t length = detail::read_length(source);
    return frame_place{taken, length};
}

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
