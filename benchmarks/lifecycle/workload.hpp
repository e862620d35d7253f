// SPDX-License-Identifier: BSL-1.0
// What the lifecycle benchmarks share: parents of several sizes, and the least that a fork costs.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <memory>

#include "../support/measure.hpp"

namespace benchmark {

/// Memory that is resident, in pages of the usual size.
class Ballast {
  public:
    explicit Ballast(std::size_t bytes) : bytes_(new char[bytes]) {
        std::memset(bytes_.get(), 1, bytes);
    }

  private:
    std::unique_ptr<char[]> bytes_;
};

/// Calls `measure(mib)` while this process holds so many MiB more: 0, 256, 1024. A quick run holds
/// 1 MiB at the most.
template <class Measure>
void for_each_size(const Options& options, Measure&& measure) {
    for (const std::size_t mib : {0, 256, 1024}) {
        const Ballast ballast(options.size(mib, std::min<std::size_t>(mib, 1)) << 20);
        measure(static_cast<double>(mib));
    }
}

/// What the system needs at the least: fork and end a child of this process.
inline double seconds_to_fork() {
    return seconds([] {
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(0);
        require(child > 0 && ::waitpid(child, nullptr, 0) == child, "fork");
    });
}

}  // namespace benchmark
