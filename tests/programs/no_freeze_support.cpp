// SPDX-License-Identifier: BSL-1.0
// A program whose main lacks freeze_support(): it must fail with a clear text and never run twice.
// Prints one line for each time that its main begins; the argument names the start method.
#include <unistd.h>
#include <cstdio>
#include <cstring>

#include <multiprocessing/process.hpp>

namespace mp = multiprocessing;

namespace {
void work() {
    std::puts("worked");
}
}  // namespace

int main(int argc, char** argv) {
    std::puts("main begins");
    std::fflush(stdout);
    // a child is executed without arguments
    const char* const how = argc > 1 ? argv[1] : "spawn";
    const auto method =
        std::strcmp(how, "forkserver") == 0 ? mp::StartMethod::forkserver : mp::StartMethod::spawn;
    try {
        mp::Process process(work, {}, {.start_method = method});
        process.start();
        process.join();
    } catch (const mp::ProcessError& error) {
        std::printf("ProcessError: %s\n", error.what());
        return 3;
    }
    return 0;
}
