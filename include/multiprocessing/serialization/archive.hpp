// SPDX-License-Identifier: BSL-1.0
// The archive pair: a writer and a reader of bytes, and the Boost archives in front of them that
// a user's `serialize` sees.
#pragma once

#include <boost/archive/archive_exception.hpp>
#include <boost/archive/detail/common_iarchive.hpp>
#include <boost/archive/detail/common_oarchive.hpp>
#include <boost/archive/detail/register_archive.hpp>
#include <boost/archive/impl/archive_serializer_map.ipp>
#include <boost/serialization/collection_size_type.hpp>
#include <boost/serialization/extended_type_info.hpp>
#include <boost/serialization/item_version_type.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

class writer;
class reader;

template <class T>
void encode(writer& out, const T& value);
template <class T>
void decode(reader& in, T& value);
// What only a user's `serialize` may write: raw pointers and Boost's wrappers besides all the rest.
template <class T>
void encode_member(writer& out, const T& value);
template <class T>
void decode_member(reader& in, T& value);

/// Boost's own bookkeeping about classes and objects. Nothing of it travels: class versions and
/// shared objects are recorded by the writer, because Boost's reader trusts the numbers it finds.
template <class T>
concept bookkeeping = std::is_same_v<T, boost::archive::version_type> ||
    std::is_same_v<T, boost::archive::object_id_type> ||
    std::is_same_v<T, boost::archive::object_reference_type> ||
    std::is_same_v<T, boost::archive::class_id_type> ||
    std::is_same_v<T, boost::archive::class_id_optional_type> ||
    std::is_same_v<T, boost::archive::class_id_reference_type> ||
    std::is_same_v<T, boost::archive::class_name_type> ||
    std::is_same_v<T, boost::archive::tracking_type>;

/// What a user's `serialize(Archive&, unsigned)` is called with when a value is written.
class out_archive : public boost::archive::detail::common_oarchive<out_archive> {
    using base = boost::archive::detail::common_oarchive<out_archive>;
    friend class boost::archive::detail::interface_oarchive<out_archive>;
    friend class boost::archive::save_access;

  public:
    explicit out_archive(writer& out) : base(boost::archive::no_header), writer_(out) {}

    void save_binary(const void* bytes, std::size_t count);
    template <class T>
    void save(const T& value) {
        detail::encode_member(writer_, value);
    }

  protected:
    template <class T>
    void save_override(T& value) {
        if constexpr (!bookkeeping<std::remove_const_t<T>>)
            detail::encode_member<std::remove_const_t<T>>(writer_, value);
    }

  private:
    writer& writer_;
};

/// What a user's `serialize(Archive&, unsigned)` is called with when a value is read.
class in_archive : public boost::archive::detail::common_iarchive<in_archive> {
    using base = boost::archive::detail::common_iarchive<in_archive>;
    friend class boost::archive::detail::interface_iarchive<in_archive>;
    friend class boost::archive::load_access;

  public:
    explicit in_archive(reader& in) : base(boost::archive::no_header), reader_(in) {}

    void load_binary(void* bytes, std::size_t count);
    template <class T>
    void load(T& value) {
        detail::decode_member(reader_, value);
    }
    // The addresses of loaded objects are not recorded here, so a moved one needs no correction.
    void reset_object_address(const void*, const void*) {}

  protected:
    template <class T>
    void load_override(T& value) {
        // Boost's wrappers arrive as const temporaries around what is to be loaded.
        using Value = std::remove_const_t<T>;
        if constexpr (!bookkeeping<Value>)
            detail::decode_member<Value>(reader_, const_cast<Value&>(value));
    }

  private:
    reader& reader_;
};

/// How deep values may nest, as bytes of stack: a list linked by a million pointers, or foreign
/// bytes that pretend to be one, end in an exception and not in a stack overflow.
inline constexpr std::size_t most_stack = std::size_t{2} << 20;

inline bool too_deep(const char* start) noexcept {
    const auto* here = static_cast<const char*>(__builtin_frame_address(0));
    return static_cast<std::size_t>(start > here ? start - here : here - start) > most_stack;
}

/// Writes one value into a buffer. It costs nothing until a Boost class or a pointer is met.
class writer {
  public:
    explicit writer(output_buffer& out) noexcept : out_(out) {}
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;

    [[nodiscard]] output_buffer& buffer() noexcept { return out_; }
    void bytes(const void* source, std::size_t count) { out_.append(source, count); }
    /// Of the value that is written.
    void block(const void* source, std::size_t count) { out_.append_block(source, count); }
    template <class T>
    void value(T number) {
        out_.append_value(number);
    }
    void count(std::size_t number) { value(static_cast<std::uint64_t>(number)); }

    [[nodiscard]] out_archive& archive() {
        if (!archive_)
            archive_.emplace(*this);
        return *archive_;
    }

    /// Counts the objects behind pointers from 1: the number of this one, and whether it is new. A
    /// member may have the address of its object, hence the type; owners share with owners only.
    std::pair<std::uint64_t, bool> number_of(const void* object, const std::type_info& type,
                                             bool shared) {
        const auto [place, fresh] =
            objects_.try_emplace({object, type.name(), shared}, objects_.size() + 1);
        return {place->second, fresh};
    }

    void check_depth() const {
        if (too_deep(start_))
            throw PicklingError("pickling: the value nests too deeply");
    }

  private:
    output_buffer& out_;
    const char* start_ = static_cast<const char*>(__builtin_frame_address(0));
    std::optional<out_archive> archive_;
    std::map<std::tuple<const void*, const char*, bool>, std::uint64_t> objects_;
};

/// Reads one value from bytes of unknown origin.
class reader {
  public:
    /// An object behind a pointer: its address as the type that it was created with.
    struct object {
        std::shared_ptr<void> owner;  // empty if a raw pointer points to it
        void* address = nullptr;
        const std::type_info* type = nullptr;
        const boost::serialization::extended_type_info* about = nullptr;  // if polymorphic
    };

    explicit reader(input_cursor& in) noexcept : in_(in) {}
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;

    [[nodiscard]] input_cursor& cursor() noexcept { return in_; }
    [[nodiscard]] std::size_t remaining() const noexcept { return in_.remaining(); }
    void bytes(void* target, std::size_t count) { in_.read(target, count); }
    template <class T>
    [[nodiscard]] T value() {
        return in_.read_value<T>();
    }

    /// A count of elements that take at least `size` bytes each.
    /// @throws UnpicklingError when so many cannot follow, before anything is allocated for them.
    [[nodiscard]] std::size_t count(std::size_t size = 1) {
        const auto number = value<std::uint64_t>();
        if (number > remaining() / size) [[unlikely]]
            throw UnpicklingError("unpickling: a count is larger than the data that follow");
        return static_cast<std::size_t>(number);
    }

    [[nodiscard]] bool flag() {
        const auto byte = value<std::uint8_t>();
        if (byte > 1) [[unlikely]]
            throw UnpicklingError("unpickling: a bool is neither 0 nor 1");
        return byte == 1;
    }

    /// The version that a class had in the program that wrote it.
    /// @throws UnpicklingError when it is later than `newest`, the one that is known here.
    [[nodiscard]] unsigned class_version(unsigned newest) {
        const auto version = value<std::uint32_t>();
        if (version > newest) [[unlikely]]
            throw UnpicklingError("unpickling: a class has a later version than this program's");
        return version;
    }

    [[nodiscard]] in_archive& archive() {
        if (!archive_)
            archive_.emplace(*this);
        return *archive_;
    }

    [[nodiscard]] std::vector<object>& objects() noexcept { return objects_; }

    /// The object that is left as it was constructed when it is met next; null for none.
    void leave_out(const void* address) noexcept { left_out_ = address; }
    [[nodiscard]] bool leaves_out(const void* address) const noexcept {
        return left_out_ == address;
    }

    void check_depth() const {
        if (too_deep(start_))
            throw UnpicklingError("unpickling: the value nests too deeply");
    }

  private:
    input_cursor& in_;
    const char* start_ = static_cast<const char*>(__builtin_frame_address(0));
    std::optional<in_archive> archive_;
    std::vector<object> objects_;
    const void* left_out_ = nullptr;
};

inline void out_archive::save_binary(const void* bytes, std::size_t count) {
    writer_.bytes(bytes, count);
}
inline void in_archive::load_binary(void* bytes, std::size_t count) {
    reader_.bytes(bytes, count);
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing

// Classes exported with BOOST_CLASS_EXPORT are then known to these archives.
BOOST_SERIALIZATION_REGISTER_ARCHIVE(multiprocessing::detail::out_archive)
BOOST_SERIALIZATION_REGISTER_ARCHIVE(multiprocessing::detail::in_archive)
