// SPDX-License-Identifier: BSL-1.0
// The packets between a process and its family's tracker.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <multiprocessing/os/named_memory.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Names a descriptor in a tracker: random, so that only a process that was told it can ask for it.
struct tracker_id {
    std::array<std::uint64_t, 2> words{};
    friend bool operator==(const tracker_id&, const tracker_id&) = default;
};
struct tracker_id_hash {
    std::size_t operator()(const tracker_id& id) const noexcept {
        return static_cast<std::size_t>(id.words[0]);
    }
};

/// The first bytes of every memory segment, which the tracker reads, too.
struct segment_header {
    static constexpr std::uint64_t expected_magic = 0x31'30'67'65'73'70'6d;  // "mpseg01"
    std::uint64_t magic = expected_magic;
    tracker_id id;
    std::uint64_t size = 0;  ///< of the whole segment
    /// How often a handle into the segment was sent and has not arrived yet.
    std::uint32_t in_flight = 0;
    std::uint32_t reserved = 0;
};
static_assert(std::is_trivially_copyable_v<segment_header> && sizeof(segment_header) == 40);

/// All but release and forget are answered.
enum class tracker_call : std::uint32_t {
    hold,      ///< a segment's descriptor comes along; the caller holds it
    attach,    ///< answered with the segment's descriptor; the caller holds it from then on
    release,   ///< the caller holds it no more
    deposit,   ///< a descriptor comes along, to be taken out once
    withdraw,  ///< answered with that descriptor
    record,    ///< a name of /dev/shm that the family must not leave behind
    forget     ///< the name is gone, or another's
};

/// What is done about a name when the family has ended.
enum class name_kind : std::uint32_t {
    memory,  ///< removed
    counted  ///< removed unless another family's process has the file open
};

struct tracker_request {
    tracker_call call = tracker_call::hold;
    name_kind kind = name_kind::memory;
    tracker_id id{};
    os::file_identity file{};
    std::array<char, 256> path{};  ///< ends with a zero

    void set_path(std::string_view text) noexcept { text.copy(path.data(), path.size() - 1); }
};
static_assert(std::is_trivially_copyable_v<tracker_request> && sizeof(tracker_request) == 296);

/// A name of /dev/shm with the file that it stood for: the name may become another's.
struct recorded_name {
    std::string path;
    os::file_identity file;
    name_kind kind = name_kind::memory;
    friend auto operator<=>(const recorded_name&, const recorded_name&) = default;
};

/// A descriptor comes along when one was asked for and is there.
struct tracker_answer {
    std::int32_t error = 0;  ///< EMFILE: the tracker has no room for the descriptor; ENOENT
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
