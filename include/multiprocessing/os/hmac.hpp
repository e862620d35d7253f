// SPDX-License-Identifier: BSL-1.0
// Keyed digests, by OpenSSL's libcrypto: the only header that needs libssl-dev.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#if __has_include(<openssl/hmac.h>)
#define MULTIPROCESSING_HAS_OPENSSL 1
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#else
#define MULTIPROCESSING_HAS_OPENSSL 0
#endif

namespace multiprocessing {
inline namespace v0 {
namespace os {

#if MULTIPROCESSING_HAS_OPENSSL
inline constexpr bool has_hmac = true;

/// The keyed digest of a message.
/// @param digest md5, sha256, sha384, sha3_256 or sha3_384
/// @returns nothing for another digest, and for one that this system forbids (MD5 under FIPS)
inline std::optional<std::string> hmac(std::string_view digest, std::string_view key,
                                       std::string_view message) {
    const EVP_MD* const algorithm = digest == "md5"        ? ::EVP_md5()
                                    : digest == "sha256"   ? ::EVP_sha256()
                                    : digest == "sha384"   ? ::EVP_sha384()
                                    : digest == "sha3_256" ? ::EVP_sha3_256()
                                    : digest == "sha3_384" ? ::EVP_sha3_384()
                                                           : nullptr;
    if (algorithm == nullptr)
        return std::nullopt;
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned size = 0;
    // a null key means "the key of the last call" there
    if (::HMAC(algorithm, key.empty() ? "" : key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(message.data()), message.size(), bytes.data(),
               &size) == nullptr)
        return std::nullopt;
    return std::string(reinterpret_cast<const char*>(bytes.data()), size);
}

/// Compares in a time that does not tell where the texts differ.
inline bool equal_secrets(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}
#else
inline constexpr bool has_hmac = false;

inline std::optional<std::string> hmac(std::string_view, std::string_view, std::string_view) {
    return std::nullopt;
}
inline bool equal_secrets(std::string_view, std::string_view) noexcept {
    return false;
}
#endif

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
