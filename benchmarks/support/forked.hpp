// SPDX-License-Identifier: BSL-1.0
// Worker processes by fork, with a pipe to each and one back, and nothing else.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <vector>

#include "measure.hpp"

namespace benchmark {

inline void write_all(int fd, const void* bytes, std::size_t size) {
    const auto* next = static_cast<const char*>(bytes);
    while (size > 0) {
        const auto n = ::write(fd, next, size);
        require(n > 0, "write");
        next += n;
        size -= static_cast<std::size_t>(n);
    }
}

/// Whether all the bytes came; false at the end of the stream.
inline bool read_all(int fd, void* bytes, std::size_t size) {
    auto* next = static_cast<char*>(bytes);
    while (size > 0) {
        const auto n = ::read(fd, next, size);
        require(n >= 0, "read");
        if (n == 0)
            return false;
        next += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

struct ForkedWorker {
    pid_t pid = -1;
    int to = -1;
    int from = -1;
};

/// Processes that run `serve(input, output)` until the input ends, which it does in the destructor.
class ForkedWorkers {
  public:
    template <class Serve>
    ForkedWorkers(int count, Serve serve) {
        for (int i = 0; i < count; ++i) {
            std::array<int, 2> there{};
            std::array<int, 2> back{};
            require(::pipe(there.data()) == 0 && ::pipe(back.data()) == 0, "pipe");
            const pid_t pid = ::fork();
            require(pid >= 0, "fork");
            if (pid == 0) {
                ::close(there[1]);
                ::close(back[0]);
                for (const ForkedWorker& sibling : workers_) {
                    ::close(sibling.to);  // else its input would never end
                    ::close(sibling.from);
                }
                serve(there[0], back[1]);
                ::_exit(0);
            }
            ::close(there[0]);
            ::close(back[1]);
            workers_.push_back({pid, there[1], back[0]});
        }
    }
    ForkedWorkers(const ForkedWorkers&) = delete;
    ForkedWorkers& operator=(const ForkedWorkers&) = delete;
    ~ForkedWorkers() {
        for (const ForkedWorker& worker : workers_)
            ::close(worker.to);
        for (const ForkedWorker& worker : workers_) {
            int status = 0;
            ::waitpid(worker.pid, &status, 0);
            require(status == 0, "a worker's end");
            ::close(worker.from);
        }
    }

    [[nodiscard]] std::size_t size() const { return workers_.size(); }
    const ForkedWorker& operator[](std::size_t i) const { return workers_[i]; }

  private:
    std::vector<ForkedWorker> workers_;
};

}  // namespace benchmark
