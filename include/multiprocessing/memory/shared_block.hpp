// SPDX-License-Identifier: BSL-1.0
// A handle to a block of shared memory: what every lock, value and queue of the library holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/memory/named_segment.hpp>
#include <multiprocessing/memory/shared_heap.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A block as it travels: which family's tracker knows the segment, and where in it.
struct block_name {
    std::uint64_t family = 0;
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};
static_assert(std::is_trivially_copyable_v<block_name> && sizeof(block_name) == 40);

/// Names a block of shared memory. Copies name the same block; a forked child inherits it; sent to
/// another process, the handle names the block there. The memory lives while any process has a
/// handle, or one is on its way.
/// @note A block in a segment of its own holds two descriptors' worth of kernel memory and one
/// descriptor; small ones share.
class shared_block {
  public:
    using multiprocessing_handle = void;

    /// The alignment of every block.
    static constexpr std::size_t alignment = shared_heap::grain;

    /// Names nothing, as a block that was moved from.
    shared_block() noexcept = default;
    shared_block(const shared_block&) = default;
    shared_block& operator=(const shared_block&) = default;
    shared_block(shared_block&& other) noexcept
        : held_(std::move(other.held_)), data_(std::exchange(other.data_, nullptr)) {}
    shared_block& operator=(shared_block&& other) noexcept {
        held_ = std::move(other.held_);
        data_ = std::exchange(other.data_, nullptr);
        return *this;
    }
    ~shared_block() = default;

    /// A block of zeros whose pages exist, so that touching it never fails.
    /// @throws std::system_error (ENOSPC, ENOMEM, EMFILE)
    [[nodiscard]] static shared_block allocate(std::size_t size) {
        return shared_block(shared_heap::instance().allocate(size));
    }
    /// A range of addresses with a memory file behind it, of which pages exist from file_begin() on
    /// as the owner allocates them: os::allocate(fd(), file_begin() + offset, size).
    [[nodiscard]] static shared_block reserve(std::size_t size) {
        return shared_block(shared_heap::instance().alone(size, false));
    }

    /// The block of that name, which any process of this user opens, or makes: it lives as long as
    /// one of them has it.
    /// @param kind what lies there, which is part of the name
    /// @param initialize called with the address of `size` zeroed bytes, in the process that makes
    /// it
    /// @throws ValueError for a name that cannot be one; std::system_error (ENOSPC)
    template <class Initialize>
    [[nodiscard]] static shared_block open_named(std::string_view kind, std::string_view name,
                                                 std::size_t size, Initialize initialize) {
        return shared_block(std::make_shared<held_block>(
            named_segment::open(kind, name, size, initialize), segment::first_block, size));
    }

    [[nodiscard]] explicit operator bool() const noexcept { return held_ != nullptr; }
    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return held_ ? held_->size() : 0; }
    /// @pre a T was made there, by this process or another one
    /// @throws ValueError for a block that names nothing
    template <class T>
    [[nodiscard]] T* as() const {
        static_assert(alignof(T) <= alignment && std::is_trivially_destructible_v<T>);
        if (data_ == nullptr) [[unlikely]]
            throw ValueError("a handle that names no shared object was used");
        return reinterpret_cast<T*>(data_);
    }

    /// The memory file, and where the block begins in it.
    [[nodiscard]] int fd() const noexcept { return held_->home().fd(); }
    [[nodiscard]] std::size_t file_begin() const noexcept { return held_->offset(); }

    /// @param busy asked when the last handle of this process goes: true keeps the memory mapped
    /// for good, as a mutex that this process still holds needs it
    void keep_while(bool (*busy)(const std::byte*) noexcept) const noexcept {
        held_->keep_while(busy);
    }

    friend bool operator==(const shared_block& a, const shared_block& b) noexcept {
        return a.data_ == b.data_;
    }

    /// @throws PicklingError for a handle that names nothing; ProcessError when the family's
    /// tracker cannot be started
    /// @throws UnpicklingError when the memory exists no more
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        block_name name;
        if constexpr (Archive::is_saving::value) {
            name = depart();
            archive& name;
        } else {
            archive& name;
            arrive(name);
        }
    }
    /// The same. @throws UnpicklingError when the block that arrives is too small for a T, too
    template <class T, class Archive>
    void serialize_as(Archive& archive, unsigned version) {
        serialize(archive, version);
        if constexpr (!Archive::is_saving::value)
            if (size() < sizeof(T))
                throw UnpicklingError("unpickling: a handle names too little memory");
    }

  private:
    explicit shared_block(std::shared_ptr<held_block> held) noexcept
        : held_(std::move(held)), data_(held_->data()) {}

    [[nodiscard]] block_name depart() const {
        if (!held_)
            throw PicklingError("pickling: a handle that names no shared object");
        held_->depart();
        const tracker_id& id = held_->home().id();
        return {this_family().number, id.words[0], id.words[1], held_->offset(), held_->size()};
    }

    void arrive(const block_name& name) {
        family_id family;
        family.number = name.family;
        auto home = segment_table::instance().find(family, {{name.first, name.second}});
        if (name.offset < segment::first_block || name.offset % alignment != 0 ||
            name.size > home->size() || name.offset > home->size() - name.size)
            throw UnpicklingError("unpickling: a handle names memory outside its segment");
        home->arrive();
        *this = shared_block(std::make_shared<held_block>(std::move(home), name.offset, name.size));
    }

    std::shared_ptr<held_block> held_;
    std::byte* data_ = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
