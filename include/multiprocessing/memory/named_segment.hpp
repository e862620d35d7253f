// SPDX-License-Identifier: BSL-1.0
// Memory that every process of a user finds by a name, for as long as one of them uses it.
//
// The file is made without a name, filled, and only then linked: who finds it finds it whole. Every
// user shares a flock on it, which the kernel drops with its last descriptor; who leaves and gets
// the lock alone removes the name. An opener compares the file with the name once it has the lock:
// between the two the name may have been removed.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/memory/segment.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/named_memory.hpp>
#include <multiprocessing/os/process_id.hpp>
#include <multiprocessing/os/spin.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A segment in a file of /dev/shm. It has one block, behind its header.
class named_segment : public segment {
  public:
    named_segment(os::descriptor file, std::size_t size, recorded_name name)
        : segment(std::move(file), size), name_(std::move(name)) {}

    ~named_segment() {
        // A forked copy, or one to which a handle was sent, shares this open file and its lock, so
        // that the lock says nothing about it: the tracker looks when the family has ended.
        if (forks_ != os::forks_since_start() || was_sent())
            return;
        if (os::unlink_if_unused(fd(), name_.path, name_.file))
            trackers::own().forget(name_);
    }

    /// Opens the memory of that name, or makes it.
    /// @param kind what lies there, which is part of the name
    /// @param initialize makes the block in `size` zeroed bytes
    /// @throws ValueError for a name that cannot be one; std::system_error (ENOSPC); ProcessError
    /// when the name's file is not of this kind
    template <class Initialize>
    static std::shared_ptr<segment> open(std::string_view kind, std::string_view name,
                                         std::size_t size, Initialize initialize) {
        const std::string path = path_of(kind, name);
        os::backoff pause;
        for (;; pause.wait()) {
            check_interrupt();
            auto file = os::open_named_memory(path);
            const bool fresh = !file;
            if (fresh)
                file = make_file(size, initialize);
            if (!os::share_file(file->get()))
                continue;  // its last user is removing it
            if (!fresh)
                check(file->get(), size, path);
            const recorded_name record{path, os::identity_of(file->get()), name_kind::counted};
            trackers::own().record(record);
            if (fresh ? os::link_memory(file->get(), path) : os::identity_of(path) == record.file)
                return segment_table::instance().adopt(
                    std::make_shared<named_segment>(*std::move(file), first_block + size, record));
            trackers::own().forget(record);
        }
    }

  private:
    static std::string path_of(std::string_view kind, std::string_view name) {
        if (name.empty() || name.size() > 200 || name.find('/') != name.npos ||
            name.find('\0') != name.npos)
            throw ValueError("a named object's name has 1 to 200 characters, no slash and no zero");
        return os::memory_path("multiprocessing-" + std::to_string(os::user_id()) + "-" +
                               std::string(kind) + "-" + std::string(name));
    }

    template <class Initialize>
    static os::descriptor make_file(std::size_t size, Initialize& initialize) {
        os::descriptor file = os::create_unnamed_memory(first_block + size);
        const os::memory_map map(file.get(), 0, first_block + size);
        segment_header header;
        header.id = random_tracker_id();
        header.size = first_block + size;
        new (map.data()) segment_header(header);
        initialize(map.data() + first_block);
        return file;
    }

    /// @throws ProcessError when the file is not of this kind
    static void check(int file, std::size_t size, const std::string& path) {
        segment_header header;
        if (!os::is_own_file(file) || os::length(file) != first_block + size ||
            !os::read_at(file, 0, std::as_writable_bytes(std::span(&header, 1))) ||
            header.magic != segment_header::expected_magic || header.size != first_block + size)
            throw ProcessError("\"" + path + "\" was not made by this version of the library");
    }

    recorded_name name_;
    unsigned forks_ = os::forks_since_start();
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
