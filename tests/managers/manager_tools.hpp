// SPDX-License-Identifier: BSL-1.0
// What the tests of managers share: a manager of every start method that must be empty at the end.
#pragma once

#include <string>
#include <utility>

#include <multiprocessing.hpp>
#include <multiprocessing/managers.hpp>

#include "process/process_tools.hpp"

namespace manager_test {

using namespace process_test;

/// Runs a function in a process and waits for its end.
template <class F, class... A>
int run_worker(mp::StartMethod method, F function, A... arguments) {
    mp::Process worker(function, {std::move(arguments)...}, {.start_method = method});
    worker.start();
    worker.join();
    return *worker.exitcode();
}

/// The server has dropped what nobody refers to; requests of other connections may be on their way.
inline bool empties(const mp::BaseManager& manager, std::size_t expected = 0) {
    return eventually([&] { return manager.number_of_objects() == expected; });
}

}  // namespace manager_test
