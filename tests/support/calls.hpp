// SPDX-License-Identifier: BSL-1.0
// What becomes of a call: how long it takes, with which error it ends.
#pragma once

#include <chrono>
#include <system_error>

namespace test_support {

/// How long a call takes.
template <class Call>
std::chrono::nanoseconds time_of(Call call) {
    const auto begin = std::chrono::steady_clock::now();
    call();
    return std::chrono::steady_clock::now() - begin;
}

/// The errno of the std::system_error that a call throws; 0 for none.
template <class Call>
int error_of(Call call) {
    try {
        call();
    } catch (const std::system_error& error) {
        return error.code().value();
    }
    return 0;
}

}  // namespace test_support
