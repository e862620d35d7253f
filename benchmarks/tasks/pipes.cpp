// SPDX-License-Identifier: BSL-1.0
// The floor: the same tasks through bare pipes to forked processes. A chunk is one write; workers
// read what there is, and answer with one write.
#include <fcntl.h>

#include <algorithm>

#include "../support/forked.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

struct Item {
    int place;
    int value;
};

constexpr int pipe_bytes = 256 * 1024;
/// So many items may be on their way to and from a worker: they fit in the pipe back, so that
/// neither side ever waits for the other one to read.
constexpr std::size_t window = pipe_bytes / sizeof(Item) / 2;

/// Waits for items and reads all that are there; false at the end.
bool read_items(int fd, std::vector<Item>& items) {
    items.resize(window);
    const auto n = ::read(fd, items.data(), window * sizeof(Item));
    require(n >= 0, "read");
    const auto bytes = static_cast<std::size_t>(n);
    const std::size_t rest = (sizeof(Item) - bytes % sizeof(Item)) % sizeof(Item);
    require(read_all(fd, reinterpret_cast<char*>(items.data()) + bytes, rest), "half an item");
    items.resize((bytes + rest) / sizeof(Item));
    return !items.empty();
}

void write_items(int fd, const std::vector<Item>& items) {
    write_all(fd, items.data(), items.size() * sizeof(Item));
}

void serve(int input, int output) {
    require(::fcntl(output, F_SETPIPE_SZ, pipe_bytes) >= pipe_bytes, "a larger pipe");
    for (std::vector<Item> items; read_items(input, items);) {
        for (Item& item : items)
            item.value = no_op(item.value);
        write_items(output, items);
    }
}

class Pipes {
  public:
    explicit Pipes(int workers) : workers_(workers, serve), waiting_(workers_.size()) {
        for (std::size_t i = 0; i < workers_.size(); ++i)
            require(::fcntl(workers_[i].to, F_SETPIPE_SZ, pipe_bytes) >= pipe_bytes,
                    "a larger pipe");
    }

    std::vector<int> map(const std::vector<int>& input, std::size_t chunksize) {
        std::vector<int> results(input.size());
        std::size_t turn = 0;
        for (std::size_t first = 0; first < input.size(); first += chunksize) {
            const std::size_t count = std::min(chunksize, input.size() - first);
            const std::size_t worker = turn++ % workers_.size();
            while (waiting_[worker] + count > window)
                receive(worker, results);
            items_.clear();
            for (std::size_t i = first; i < first + count; ++i)
                items_.push_back({static_cast<int>(i), input[i]});
            write_items(workers_[worker].to, items_);
            waiting_[worker] += count;
        }
        for (std::size_t worker = 0; worker < workers_.size(); ++worker)
            while (waiting_[worker] > 0)
                receive(worker, results);
        return results;
    }

  private:
    void receive(std::size_t worker, std::vector<int>& results) {
        require(read_items(workers_[worker].from, items_), "the worker's answer");
        for (const Item& item : items_)
            results[static_cast<std::size_t>(item.place)] = item.value;
        waiting_[worker] -= items_.size();
    }

    ForkedWorkers workers_;
    std::vector<std::size_t> waiting_;
    std::vector<Item> items_;
};

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    Pipes pipes(options.workers());
    pipes.map(numbers(10000), 1);

    measure_apply_async(options, [&](int count) { return sum(pipes.map(numbers(count), 1)); });
    measure_map_chunksize(options, [&](const std::vector<int>& input, int chunksize) {
        return pipes.map(input, static_cast<std::size_t>(chunksize));
    });
    measure_map(options,
                [&](const std::vector<int>& input) { return pipes.map(input, window / 2); });
    measure_apply(options, [&](int i) { return pipes.map({i}, 1).front(); });
}
