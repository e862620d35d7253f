// SPDX-License-Identifier: BSL-1.0
// The processes that the library started, one from another: who the first one is.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/random.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What ps shows of a family's tracker; a fork server, which ends the orphans of its workers,
/// spares it.
inline constexpr const char* tracker_name = "mp-tracker";

/// Names a family, and its first process. Fixed width: it travels to programs that are executed.
struct family_id {
    std::uint64_t number = 0;        ///< random; no two families share it
    std::uint64_t root_started = 0;  ///< the first process, as os::process_start_time
    std::int64_t root = 0;

    /// The name of the family's tracker among abstract sockets.
    [[nodiscard]] std::string socket_name() const {
        return "multiprocessing-" + std::to_string(number);
    }
    /// A descriptor of the first process, by which its end is seen; empty when it has ended.
    [[nodiscard]] os::descriptor open_root() const {
        const auto pid = static_cast<pid_t>(root);
        os::descriptor process = os::open_process(pid);
        // looked at after opening: what is open cannot become another process
        return os::process_start_time(pid) == root_started ? std::move(process) : os::descriptor();
    }
};
static_assert(std::is_trivially_copyable_v<family_id> && sizeof(family_id) == 24);

/// The family of this process. The process that asks first founds one, unless it was told
/// another; forked children inherit it, executed ones are told.
inline family_id& this_family() {
    static family_id id{os::random_number<std::uint64_t>(),
                        os::process_start_time(os::process_id()), os::process_id()};
    return id;
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
