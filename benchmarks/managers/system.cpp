// SPDX-License-Identifier: BSL-1.0
// The floor of a call to a server: 64 bytes through a Unix socket to a process that sends them
// back.
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "../support/bare.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

using Request = std::array<char, 64>;

void serve(int fd) {
    Request request{};
    while (::recv(fd, request.data(), request.size(), MSG_WAITALL) ==
           static_cast<ssize_t>(request.size()))
        put(fd, request.data(), request.size());
}

void call(int fd, int number) {
    Request request{};
    std::memcpy(request.data(), &number, sizeof number);
    put(fd, request.data(), request.size());
    Request answer{};
    get(fd, answer.data(), answer.size());
    require(answer == request, "the answer");
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    with_child(serve, [&](int fd) {
        const int count = options.size(30'000, 500);
        if (options.wants("set"))
            report("set",
                   seconds([&] {
                       for (int i = 0; i < count; ++i)
                           call(fd, i);
                   }) * 1e9 /
                       count,
                   "ns");
        measure_latency(options, [&](int i) { call(fd, i); });
        ::shutdown(fd, SHUT_WR);
        return 0;
    });
}
