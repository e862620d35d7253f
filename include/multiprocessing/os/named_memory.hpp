// SPDX-License-Identifier: BSL-1.0
// POSIX shared memory with a name: files of /dev/shm, which stay until somebody removes them.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/os/socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// Which file a descriptor or a name stands for.
struct file_identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    friend auto operator<=>(const file_identity&, const file_identity&) = default;
};

/// The file of a shared memory name, as shm_open spells it: one leading slash may be there.
inline std::string memory_path(std::string_view name) {
    if (!name.empty() && name.front() == '/')
        name.remove_prefix(1);
    return "/dev/shm/" + std::string(name);
}

inline file_identity identity_of(int fd) {
    struct ::stat status = {};
    check(::fstat(fd, &status), "fstat(shared memory)");
    return {status.st_dev, status.st_ino};
}
/// Empty when the name does not exist.
inline std::optional<file_identity> identity_of(const std::string& path) noexcept {
    struct ::stat status = {};
    if (::lstat(path.c_str(), &status) != 0)
        return std::nullopt;
    return file_identity{status.st_dev, status.st_ino};
}
/// The user whom the file belongs to is the one of this process.
inline bool is_own_file(int fd) noexcept {
    struct ::stat status = {};
    return ::fstat(fd, &status) == 0 && status.st_uid == ::geteuid();
}

/// Opens a name for reading and writing. @returns nothing when it does not exist
/// @throws std::system_error
inline std::optional<descriptor> open_named_memory(const std::string& path) {
    const int fd = retry([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW); });
    if (fd < 0) {
        if (errno == ENOENT)
            return std::nullopt;
        throw_system_error("shm_open(\"" + path + "\")");
    }
    return above_standard_streams(descriptor(fd));
}

/// A file of /dev/shm that has no name yet, whose pages exist; readable by this user alone.
/// @throws std::system_error (ENOSPC when /dev/shm is full)
inline descriptor create_unnamed_memory(std::size_t size) {
    descriptor fd =
        new_descriptor(::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "open(/dev/shm)");
    allocate(fd.get(), 0, size);
    return fd;
}

/// Gives a file its name. @returns false when the name is taken
inline bool link_memory(int fd, const std::string& path) {
    const std::string source = "/proc/self/fd/" + std::to_string(fd);
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0)
        return true;
    if (errno == EEXIST)
        return false;
    throw_system_error("linkat(\"" + path + "\")");
}

/// Removes a name. @returns false when it does not exist
inline bool unlink_memory(const std::string& path) {
    if (::unlink(path.c_str()) == 0)
        return true;
    if (errno == ENOENT)
        return false;
    throw_system_error("shm_unlink(\"" + path + "\")");
}
/// Removes a name while it still stands for that file.
inline void unlink_if_same(const std::string& path, file_identity file) noexcept {
    if (identity_of(path) == file)
        ::unlink(path.c_str());
}

/// Counts this open file among the users of the file. @returns false while another process removes
/// its name
inline bool share_file(int fd) noexcept {
    return retry([&] { return ::flock(fd, LOCK_SH | LOCK_NB); }) == 0;
}
/// Removes a name while it still stands for that file, unless another open file shares it.
/// @param fd this process's open file, which shares the file no more afterwards
/// @returns false when others use the file
inline bool unlink_if_unused(int fd, const std::string& path, file_identity file) noexcept {
    if (retry([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) != 0)
        return false;
    unlink_if_same(path, file);
    return true;
}
/// The same for a process that does not have the file open.
inline bool unlink_if_unused(const std::string& path, file_identity file) noexcept {
    const descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    return !fd || unlink_if_unused(fd.get(), path, file);
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
