// SPDX-License-Identifier: BSL-1.0
// Whether the tests are built with a sanitizer, which takes memory and catches signals.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define TEST_ADDRESS_SANITIZER true
#elif defined(__has_feature)
#define TEST_ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define TEST_ADDRESS_SANITIZER false
#endif

#if defined(__SANITIZE_THREAD__)
#define TEST_THREAD_SANITIZER true
#elif defined(__has_feature)
#define TEST_THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define TEST_THREAD_SANITIZER false
#endif

namespace test_support {

inline constexpr bool thread_sanitizer = TEST_THREAD_SANITIZER;
inline constexpr bool sanitized = TEST_ADDRESS_SANITIZER || TEST_THREAD_SANITIZER;

}  // namespace test_support
