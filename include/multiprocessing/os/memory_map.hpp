// SPDX-License-Identifier: BSL-1.0
// Shared memory without a name: memfds and their mappings.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include <multiprocessing/os/descriptor.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace os {

inline std::size_t page_size() noexcept {
    static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

/// The memory that can be allocated without swapping, in bytes; the largest number when unknown.
inline std::size_t available_memory() {
    std::ifstream info("/proc/meminfo");
    std::string line;
    while (std::getline(info, line))
        if (line.rfind("MemAvailable:", 0) == 0)
            return std::stoull(line.substr(13)) * 1024;
    return std::numeric_limits<std::size_t>::max();
}

/// The kernel ends a process that makes a file longer than it may (SIGXFSZ): refused before.
/// @throws std::system_error (ENOSPC)
inline void check_file_limit(const std::string& what, std::size_t end) {
    ::rlimit limit = {};
    if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        end > limit.rlim_cur)
        throw_system_error(what + ", over the limit of file sizes", ENOSPC);
}

/// Gives the pages of the range back to the system; the range reads as zero afterwards.
inline void discard(int fd, std::size_t offset, std::size_t size) noexcept {
    ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                static_cast<off_t>(size));
}

/// Gives the range pages now, so that lack of memory is an error here and not SIGBUS at first
/// touch. Lengthens the file when the range lies beyond its end.
/// @param undo whether the range has no pages after a failure; else those that it had are as before
/// @throws std::system_error (ENOSPC, ENOMEM)
inline void allocate(int fd, std::size_t offset, std::size_t size, bool undo = true) {
    const std::string what = "posix_fallocate(" + std::to_string(size) + " bytes of shared memory)";
    // Memory files have no limit of their own: the kernel would allocate until it kills somebody.
    constexpr std::size_t large = std::size_t{64} << 20;
    if (size >= large && size > available_memory())
        throw_system_error(what, ENOMEM);
    check_file_limit(what, offset + size);
    // A signal undoes a whole call: in one step a timer's signals could undo it for ever.
    constexpr std::size_t step = std::size_t{2} << 20;
    for (std::size_t done = 0; done < size;) {
        const std::size_t next = std::min(step, size - done);
        const int error =
            ::posix_fallocate(fd, static_cast<off_t>(offset + done), static_cast<off_t>(next));
        if (error == 0) {
            done += next;
        } else if (error != EINTR) {
            if (undo)
                discard(fd, offset, done);
            throw_system_error(what, error);
        }
    }
}

/// Sets the length of the file; what is added reads as zero and has no pages yet.
inline void resize(int fd, std::size_t size) {
    check_file_limit("ftruncate(memfd)", size);
    if (retry([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }) < 0)
        throw_system_error("ftruncate(memfd)");
}

/// A new memory file of `size` bytes, all zero and none of them allocated yet.
/// @param name shown by /proc/PID/maps; need not be unique
inline descriptor create_memory(const char* name, std::size_t size) {
    descriptor fd = new_descriptor(::memfd_create(name, MFD_CLOEXEC), "memfd_create");
    resize(fd.get(), size);
    return fd;
}

/// The length of the file.
inline std::size_t length(int fd) {
    struct ::stat status = {};
    check(::fstat(fd, &status), "fstat(memfd)");
    return static_cast<std::size_t>(status.st_size);
}

/// Reads a part of a file without moving its position. @returns false when it is not there in full
inline bool read_at(int fd, std::size_t offset, std::span<std::byte> bytes) noexcept {
    const auto got =
        retry([&] { return ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    return got >= 0 && static_cast<std::size_t>(got) == bytes.size();
}

/// A mapping of a part of a memory file, unmapped with its owner.
class memory_map {
  public:
    enum class access { read, read_write };

    memory_map() = default;
    memory_map(int fd, std::size_t offset, std::size_t size, access mode = access::read_write)
        : size_(size) {
        void* const address =
            ::mmap(nullptr, size, mode == access::read ? PROT_READ : PROT_READ | PROT_WRITE,
                   MAP_SHARED, fd, static_cast<off_t>(offset));
        if (address == MAP_FAILED)
            throw_system_error("mmap(" + std::to_string(size) + " bytes of shared memory)");
        address_ = static_cast<std::byte*>(address);
    }
    memory_map(memory_map&& other) noexcept
        : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    memory_map& operator=(memory_map&& other) noexcept {
        std::swap(address_, other.address_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~memory_map() {
        if (address_ != nullptr)
            ::munmap(address_, size_);
    }

    [[nodiscard]] std::byte* data() const noexcept { return address_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] explicit operator bool() const noexcept { return address_ != nullptr; }

  private:
    std::byte* address_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
