// SPDX-License-Identifier: BSL-1.0
// The programs in docs/clusters.md.
// clang-format off
#include <ranges>

#include <multiprocessing/mpi.hpp>
namespace mp = multiprocessing;

int square(int x) { return x * x; }

int main(int argc, char** argv) {
    return mp::mpi::run(argc, argv, [](mp::mpi::Pool& pool) {     // in rank 0; the other ranks work for it
        auto squares = pool.map(square, std::views::iota(0, 1000));
        return 0;                                                 // what main returns
    });
}

int hybrid(int argc, char** argv, void (*f)(mp::mpi::Pool&)) {
    return mp::mpi::run(argc, argv, f, {.processes = 32});
}
