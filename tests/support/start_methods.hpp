// SPDX-License-Identifier: BSL-1.0
// Runs a test case with every start method.
#pragma once

#include <multiprocessing/process/start_method.hpp>

#include "support/catch.hpp"

namespace test_support {

/// Runs the rest of the case once for every start method. Call it once a case.
inline multiprocessing::StartMethod every_method() {
    using multiprocessing::StartMethod;
    return GENERATE(StartMethod::fork, StartMethod::spawn, StartMethod::forkserver);
}

}  // namespace test_support
