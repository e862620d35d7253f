// SPDX-License-Identifier: BSL-1.0
// The floor: rank 0 hands out chunks as bare arrays of ints, each other rank answers with the same
// array. Two chunks for each rank, so that none waits for rank 0 after each. Single calls travel in
// messages as long as the pool's. MPI is asked for what a pool needs, too: that several threads may
// use it, one at a time. For that Open MPI takes locks; a program of one thread can do without.
#include <algorithm>
#include <array>
#include <boost/mpi/communicator.hpp>
#include <boost/mpi/environment.hpp>
#include <boost/mpi/request.hpp>
#include <cstddef>
#include <cstring>
#include <deque>
#include <vector>

#include "../tasks/workload.hpp"

using namespace benchmark;

namespace {

enum tag : int { chunk = 1, call, stop };

// A task says which function is called, an answer how long that took.
using Call = std::array<char, 120>;
using Answer = std::array<char, 48>;

class Ranks {
  public:
    explicit Ranks(const boost::mpi::communicator& world) : world_(world) {}

    std::vector<int> map(const std::vector<int>& input, int chunksize) {
        std::vector<int> results(input.size());
        struct Chunk {
            std::size_t first;
            boost::mpi::request sending;
        };
        std::vector<std::deque<Chunk>> sent(static_cast<std::size_t>(world_.size()));
        std::size_t rest = 0, done = 0;
        const auto send = [&](int rank) {
            const auto count = std::min(static_cast<std::size_t>(chunksize), input.size() - rest);
            if (count == 0)
                return;
            sent[static_cast<std::size_t>(rank)].push_back(
                {rest, world_.isend(rank, chunk, input.data() + rest, static_cast<int>(count))});
            rest += count;
        };
        for (int round = 0; round < 2; ++round)
            for (int rank = 1; rank < world_.size(); ++rank)
                send(rank);
        while (done < input.size()) {
            const auto found = world_.probe(boost::mpi::any_source, chunk);
            const int count = *found.count<int>();
            auto& chunks = sent[static_cast<std::size_t>(found.source())];
            world_.recv(found.source(), chunk, results.data() + chunks.front().first, count);
            chunks.front().sending.wait();
            chunks.pop_front();
            done += static_cast<std::size_t>(count);
            send(found.source());
        }
        return results;
    }
    std::vector<int> map(const std::vector<int>& input) {
        const auto chunks = static_cast<std::size_t>(4 * (world_.size() - 1));
        return map(input, static_cast<int>((input.size() + chunks - 1) / chunks));
    }
    int apply(int argument) {
        Call task{};
        std::memcpy(task.data(), &argument, sizeof argument);
        world_.send(1, call, task.data(), static_cast<int>(task.size()));
        Answer answer;
        world_.recv(1, call, answer.data(), static_cast<int>(answer.size()));
        int result = 0;
        std::memcpy(&result, answer.data(), sizeof result);
        return result;
    }
    void dismiss() {
        for (int rank = 1; rank < world_.size(); ++rank)
            world_.send(rank, stop);
    }

    void work() {
        std::vector<int> items;
        for (;;) {
            const auto found = world_.probe(0, boost::mpi::any_tag);
            if (found.tag() == stop) {
                world_.recv(0, stop);
                return;
            }
            if (found.tag() == call) {
                answer_call();
                continue;
            }
            items.resize(static_cast<std::size_t>(*found.count<int>()));
            world_.recv(0, chunk, items.data(), static_cast<int>(items.size()));
            for (int& item : items)
                item = no_op(item);
            world_.send(0, chunk, items.data(), static_cast<int>(items.size()));
        }
    }

  private:
    void answer_call() {
        Call task;
        world_.recv(0, call, task.data(), static_cast<int>(task.size()));
        int item = 0;
        std::memcpy(&item, task.data(), sizeof item);
        item = no_op(item);
        Answer answer{};
        std::memcpy(answer.data(), &item, sizeof item);
        world_.send(0, call, answer.data(), static_cast<int>(answer.size()));
    }

    boost::mpi::communicator world_;
};

}  // namespace

int main(int argc, char** argv) {
    const boost::mpi::environment environment(argc, argv, boost::mpi::threading::serialized);
    const boost::mpi::communicator world;
    Ranks ranks(world);
    if (world.rank() != 0) {
        ranks.work();
        return 0;
    }
    const Options options(argc, argv);
    ranks.map(numbers(10000));
    measure_apply_async(options, [&](int count) { return sum(ranks.map(numbers(count), 1)); });
    measure_map_chunksize(options, [&](const std::vector<int>& input, int chunksize) {
        return ranks.map(input, chunksize);
    });
    measure_map(options, [&](const std::vector<int>& input) { return ranks.map(input); });
    if (options.wants("imap")) {
        const int count = options.size(200000, 2000);
        const std::vector<int> input = numbers(count);
        report_each("imap", seconds([&] { require(ranks.map(input, 1) == input, "imap"); }), count);
    }
    measure_apply(options, [&](int i) { return ranks.apply(i); });
    ranks.dismiss();
}
