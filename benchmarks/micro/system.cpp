// SPDX-License-Identifier: BSL-1.0
// The least that the same operations can cost: copies of the bytes, mutexes of the C library that
// processes can share, and a pipe of the kernel.
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "workload.hpp"

using namespace benchmark;

namespace {

/// Adds dumps_NAME and loads_NAME, each of which copies the value's bytes to new memory.
void add_copies(const Micro& micro, const std::string& name, std::span<const std::byte> bytes) {
    for (const char* direction : {"dumps_", "loads_"}) {
        micro.add(direction + name, [from = std::vector<std::byte>(bytes.begin(), bytes.end())] {
            const std::unique_ptr<std::byte[]> to(new std::byte[from.size()]);
            std::memcpy(to.get(), from.data(), from.size());
            DoNotOptimize(to.get());
            ClobberMemory();
        });
    }
}

void add_mutex(const Micro& micro, const std::string& name, int robustness) {
    auto mutex = std::make_shared<pthread_mutex_t>();
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_mutexattr_setrobust(&attributes, robustness);
    require(::pthread_mutex_init(mutex.get(), &attributes) == 0, name);
    micro.add(name, [mutex, name] {
        require(::pthread_mutex_lock(mutex.get()) == 0, name);
        ::pthread_mutex_unlock(mutex.get());
    });
}

}  // namespace

int main(int argc, char** argv) {
    const Micro micro(argc, argv);
    add_copies(micro, "int", std::as_bytes(std::span(&integer, 1)));
    add_copies(micro, "aggregate", std::as_bytes(std::span(&order, 1)));
    const std::vector<double> values = vector_of_1000();
    add_copies(micro, "vector", std::as_bytes(std::span(values)));
    add_mutex(micro, "lock", PTHREAD_MUTEX_ROBUST);
    add_mutex(micro, "lock_not_robust", PTHREAD_MUTEX_STALLED);
    int ends[2];
    require(::pipe(ends) == 0, "pipe");
    micro.add("pipe_64", [&] {
        std::array<char, 64> message{};
        require(::write(ends[1], message.data(), 64) == 64, "write");
        require(::read(ends[0], message.data(), 64) == 64, "read");
    });
    micro.run();
}
