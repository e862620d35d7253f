// SPDX-License-Identifier: BSL-1.0
// How long a vector takes to another rank of Boost.MPI and back.
#include <boost/mpi/communicator.hpp>
#include <boost/mpi/environment.hpp>
#include <boost/serialization/vector.hpp>
#include <chrono>
#include <thread>

#include "workload.hpp"

namespace mpi = boost::mpi;
using namespace benchmark;

namespace {

constexpr int echo_rank = 1;
constexpr int data_tag = 0;
constexpr int end_tag = 1;

void measure(const mpi::communicator& world, const Options& options) {
    require(world.size() > echo_rank, "at least two ranks");
    const auto trip = [&](const Payload& original, Payload& received) {
        return seconds([&] {
            world.send(echo_rank, data_tag, original);
            world.recv(echo_rank, data_tag, received);
        });
    };
    if (options.wants("round_trip"))
        large_trip(options, "round_trip", trip);
    curve(options, trip);
    for (int rank = 1; rank < world.size(); ++rank)
        world.send(rank, end_tag);
}

void echo(const mpi::communicator& world) {
    for (;;) {
        const mpi::status next = world.probe(0);
        if (next.tag() == end_tag)
            break;
        Payload values;
        world.recv(0, data_tag, values);
        world.send(0, data_tag, values);
    }
    world.recv(0, end_tag);
}

/// MPI would wait with a whole CPU, which the two ranks at work may need.
void stay_out_of_the_way(const mpi::communicator& world) {
    while (!world.iprobe(0, end_tag))
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    world.recv(0, end_tag);
}

}  // namespace

int main(int argc, char** argv) {
    const mpi::environment environment(argc, argv);
    const mpi::communicator world;
    if (world.rank() == 0)
        measure(world, Options(argc, argv));
    else if (world.rank() == echo_rank)
        echo(world);
    else
        stay_out_of_the_way(world);
}
