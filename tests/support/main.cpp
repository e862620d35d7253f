// SPDX-License-Identifier: BSL-1.0
// The main function of every test program.
#include "support/session.hpp"

#if __has_include(<multiprocessing/process.hpp>)
#include <multiprocessing/process.hpp>

int main(int argc, char** argv) {
    multiprocessing::freeze_support();
    return test_support::run_tests(
        argc, argv, [] { multiprocessing::detail::process_server::instance().stop(); });
}
#else
int main(int argc, char** argv) {
    return test_support::run_tests(argc, argv, nullptr);
}
#endif
