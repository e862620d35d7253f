// SPDX-License-Identifier: BSL-1.0
// Types by their names: as the source spells them, and as a number that two processes compare.
#pragma once

#include <cxxabi.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The name of a type as the source spells it.
inline std::string type_name(const std::type_info& type) {
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> name(
        abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
    return status == 0 && name ? std::string(name.get()) : std::string(type.name());
}

/// A text from foreign bytes, fit for a message: short, and without control characters.
inline std::string printable(std::string_view text) {
    std::string result(text.substr(0, 80));
    for (char& c : result) {
        if (c < ' ' || c > '~')
            c = '?';
    }
    return result;
}

constexpr std::uint64_t digest_of(std::string_view text) noexcept {  // FNV-1a
    std::uint64_t digest = 0xcbf29ce484222325u;
    for (const char c : text)
        digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return digest;
}

/// A number for T, the same in every process of the same program: a digest of its spelled name.
template <class T>
constexpr std::uint64_t type_tag() noexcept {
    return digest_of(__PRETTY_FUNCTION__);
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
