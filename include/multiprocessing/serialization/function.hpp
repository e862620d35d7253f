// SPDX-License-Identifier: BSL-1.0
// Functions as data: the image that holds the code and the offset in it. No registration, no macro.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/os/image.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A function as it travels: image 0 is the main program, another number a digest of the shared
/// object's build id. Offset 0 of image 0 stands for the null pointer.
struct code_ref {
    std::uint64_t image = 0;
    std::uint64_t offset = 0;
};
static_assert(sizeof(code_ref) == 16 && std::is_trivially_copyable_v<code_ref>);

/// @throws PicklingError when the code is in no image: made at run time, or not code at all.
inline code_ref encode_code(const void* address) {
    if (address == nullptr)
        return {};
    const auto place = os::place_of(reinterpret_cast<std::uintptr_t>(address));
    if (!place)
        throw PicklingError("pickling: a function that no part of the program holds");
    return {place->image, place->offset};
}
inline code_ref encode_code(void (*function)()) {
    return encode_code(reinterpret_cast<const void*>(function));
}

/// @throws UnpicklingError when this process has no such image or no code at that place.
inline void* decode_code(code_ref code) {
    if (code.image == 0 && code.offset == 0)
        return nullptr;
    const auto address = os::address_of({code.image, code.offset});
    if (!address)
        throw UnpicklingError(
            "unpickling: a function that this process does not have: it is another build of the "
            "program, or the shared object with the function is not loaded");
    return reinterpret_cast<void*>(*address);
}

/// How a pointer to a member function is laid out (Itanium C++ ABI, 2.3). What says that the
/// function is virtual is the lowest bit of `pointer`, on ARM that of `adjustment`.
struct member_code {
    std::uintptr_t pointer = 0;  // the function, or its place in the virtual table
    std::ptrdiff_t adjustment = 0;

    [[nodiscard]] bool is_virtual() const noexcept {
#if defined(__arm__) || defined(__aarch64__)
        return (adjustment & 1) != 0;
#else
        return (pointer & 1) != 0;
#endif
    }
};

template <class F>
void encode_code_pointer(output_buffer& out, const F& function) {
    if constexpr (std::is_member_function_pointer_v<F>) {
        static_assert(sizeof(F) == sizeof(member_code));
        const auto code = std::bit_cast<member_code>(function);
        // Virtual: a place in a table, which is the same in every process of the program.
        out.append_value(static_cast<std::uint8_t>(code.is_virtual()));
        out.append_value(code.is_virtual()
                             ? code_ref{0, code.pointer}
                             : encode_code(reinterpret_cast<const void*>(code.pointer)));
        out.append_value(static_cast<std::int64_t>(code.adjustment));
    } else {
        out.append_value(encode_code(reinterpret_cast<const void*>(function)));
    }
}

template <class F>
void decode_code_pointer(input_cursor& in, F& function) {
    if constexpr (std::is_member_function_pointer_v<F>) {
        const auto is_virtual = in.read_value<std::uint8_t>();
        const auto place = in.read_value<code_ref>();
        member_code code;
        code.adjustment = static_cast<std::ptrdiff_t>(in.read_value<std::int64_t>());
        code.pointer = is_virtual != 0 ? static_cast<std::uintptr_t>(place.offset)
                                       : reinterpret_cast<std::uintptr_t>(decode_code(place));
        if (is_virtual > 1 || code.is_virtual() != (is_virtual == 1))
            throw UnpicklingError("unpickling: not a pointer to a member function");
        function = std::bit_cast<F>(code);
    } else {
        function = reinterpret_cast<F>(decode_code(in.read_value<code_ref>()));
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
