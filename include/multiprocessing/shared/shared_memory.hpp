// SPDX-License-Identifier: BSL-1.0
// SharedMemory: a block of POSIX shared memory with a name, as Python's module makes and opens it.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <multiprocessing/core/count.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/memory/tracker.hpp>
#include <multiprocessing/os/fork_safe_lock.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/os/named_memory.hpp>
#include <multiprocessing/os/random.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A named block as this process has it mapped; shared by the copies of a handle.
class named_mapping {
  public:
    /// @throws ValueError for a name that no block can have
    /// @throws std::system_error: ENOENT when there is no such block
    static std::shared_ptr<named_mapping> open(const std::string& name) {
        const std::string path = path_of(name);
        const auto file = os::open_named_memory(path);
        if (!file)
            os::throw_system_error("SharedMemory: there is no block \"" + name + "\"", ENOENT);
        const std::size_t size = os::length(file->get());
        if (size == 0)
            throw ValueError("SharedMemory: the block \"" + name + "\" is empty");
        return std::make_shared<named_mapping>(
            name, recorded_name{path, os::identity_of(file->get()), name_kind::memory},
            os::memory_map(file->get(), 0, size));
    }

    /// @param initialize called with the zeroed bytes, before anybody can find them
    /// @throws std::system_error: EEXIST when the name is taken, ENOSPC when there is no room
    template <class Initialize>
    static std::shared_ptr<named_mapping> create(const std::optional<std::string>& wanted,
                                                 std::size_t size, Initialize initialize) {
        const auto taken = [&] {
            os::throw_system_error("SharedMemory: the name \"" + *wanted + "\" is taken", EEXIST);
        };
        if (wanted && os::identity_of(path_of(*wanted)))
            taken();
        const os::descriptor file = os::create_unnamed_memory(size);
        os::memory_map map(file.get(), 0, size);
        initialize(std::span(map.data(), size));
        for (;;) {
            const std::string name = wanted ? *wanted : random_name();
            const recorded_name record{path_of(name), os::identity_of(file.get()),
                                       name_kind::memory};
            // The tracker knows the name before it exists: no kill in between leaves it behind.
            trackers::own().record(record);
            if (os::link_memory(file.get(), record.path))
                return std::make_shared<named_mapping>(name, record, std::move(map));
            trackers::own().forget(record);
            if (wanted)
                taken();
        }
    }

    named_mapping(std::string name, recorded_name record, os::memory_map map) noexcept
        : name_(std::move(name)), record_(std::move(record)), map_(std::move(map)) {}

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// @throws ValueError when it was closed
    [[nodiscard]] std::span<std::byte> bytes() const {
        const std::scoped_lock lock(mutex_);
        if (!map_)
            throw ValueError("SharedMemory: the block \"" + name_ + "\" was closed");
        return {map_.data(), map_.size()};
    }
    void close() noexcept {
        const std::scoped_lock lock(mutex_);
        map_ = os::memory_map();
    }
    /// @throws std::system_error: ENOENT when the name is gone
    void unlink() const {
        if (!os::unlink_memory(record_.path))
            os::throw_system_error("SharedMemory: there is no block \"" + name_ + "\"", ENOENT);
        trackers::own().forget(record_);
    }

  private:
    /// Python's form, so that its tools recognize it.
    static std::string random_name() {
        std::array<char, 16> text{};
        std::snprintf(text.data(), text.size(), "psm_%08x", os::random_number<std::uint32_t>());
        return text.data();
    }
    static std::string path_of(const std::string& name) {
        const std::string plain = !name.empty() && name[0] == '/' ? name.substr(1) : name;
        if (plain.empty() || plain == "." || plain == ".." || plain.size() > 240 ||
            plain.find('/') != plain.npos || plain.find('\0') != plain.npos)
            throw ValueError("SharedMemory: \"" + name +
                             "\" is no name: 1 to 240 characters, no "
                             "slash but a leading one, no zero");
        return os::memory_path(plain);
    }

    const std::string name_;
    const recorded_name record_;
    mutable os::fork_safe_lock mutex_;  // of this process
    os::memory_map map_;
};

}  // namespace detail

namespace shared_memory {

/// Which block, and whether to make it.
struct SharedMemoryOptions {
    std::optional<std::string> name = {};  ///< none: the library thinks of one
    bool create = false;                   ///< else the block must exist
    Count size = 0;                        ///< in bytes, at least 1; of no account when it exists
};

/// A block of shared memory that any process of this user opens by its name, Python's included.
///
/// A handle: copies name the same mapping; sent to another process, it opens the block there by its
/// name. The name stays until unlink(); what is left when the last process of the program's family
/// has ended, however it ended, is removed then.
/// @note A Python program that only attaches removes the block when it ends. There, pass
///     `track=False` (3.13 or later), or call
///     `resource_tracker.unregister(shm._name, "shared_memory")`.
/// @par Python `multiprocessing.shared_memory.SharedMemory(name, create, size)`
class SharedMemory {
  public:
    using multiprocessing_handle = void;

    /// Names no block, until one is assigned: every call but close() throws ValueError.
    SharedMemory() noexcept = default;

    /// Makes a block of zeros, or opens one.
    /// @throws ValueError when neither name nor `create` is given, when `size` is below 1 for a new
    ///     block, and for a name that no block can have
    /// @throws std::system_error: EEXIST when the name is taken; ENOENT when there is no such
    /// block;
    ///     ENOSPC when /dev/shm is full: touching the block never fails later
    explicit SharedMemory(SharedMemoryOptions options) {
        if (options.create)
            mapping_ = detail::named_mapping::create(
                options.name, options.size.at_least(1, "SharedMemory: the size"),
                [](std::span<std::byte>) {});
        else if (options.name)
            mapping_ = detail::named_mapping::open(*options.name);
        else
            throw ValueError("SharedMemory: give a name, or create = true");
    }

    /// Without the leading slash, as Python shows it.
    std::string name() const {
        const std::string& full = mapping().name();
        return full.front() == '/' ? full.substr(1) : full;
    }
    /// In bytes. @throws ValueError when it was closed
    std::size_t size() const { return mapping().bytes().size(); }
    /// The memory, up to close(). @throws ValueError when it was closed
    std::span<std::byte> buf() const { return mapping().bytes(); }

    /// Unmaps the block in this process, for all copies of the handle; nothing when it is unmapped.
    /// @pre nobody uses buf() any more: the memory is gone
    void close() const noexcept {
        if (mapping_)
            mapping_->close();
    }
    /// Removes the name. Processes that have the block mapped keep it.
    /// @throws std::system_error: ENOENT when the name is gone already
    void unlink() const { mapping().unlink(); }

    /// Whether both are the same mapping.
    friend bool operator==(const SharedMemory&, const SharedMemory&) = default;

    /// @throws UnpicklingError when the block exists no more
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        std::string name;
        if constexpr (Archive::is_saving::value) {
            name = mapping().name();
            archive& name;
        } else {
            archive& name;
            try {
                mapping_ = detail::named_mapping::open(name);
            } catch (const std::system_error& error) {
                throw UnpicklingError(std::string("unpickling: ") + error.what());
            } catch (const ValueError& error) {
                throw UnpicklingError(std::string("unpickling: ") + error.what());
            }
        }
    }

  private:
    friend class ShareableList;

    /// Makes a block, which nobody finds before it was initialized.
    template <class Initialize>
    SharedMemory(const std::optional<std::string>& name, std::size_t size, Initialize initialize)
        : mapping_(detail::named_mapping::create(name, size, std::move(initialize))) {}

    [[nodiscard]] detail::named_mapping& mapping() const {
        if (!mapping_)
            throw ValueError("SharedMemory: the handle names no block");
        return *mapping_;
    }

    std::shared_ptr<detail::named_mapping> mapping_;
};

}  // namespace shared_memory
}  // namespace v0
}  // namespace multiprocessing
