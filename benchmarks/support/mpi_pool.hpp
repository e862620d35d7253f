// SPDX-License-Identifier: BSL-1.0
// Boost.MPI: rank 0 hands out chunks, each other rank is a worker.
#pragma once

#include <algorithm>
#include <boost/mpi.hpp>
#include <boost/serialization/vector.hpp>
#include <cstddef>
#include <deque>
#include <iterator>
#include <type_traits>
#include <utility>
#include <vector>

#include "measure.hpp"

namespace benchmark {

template <class T>
struct MpiChunk {
    std::size_t first = 0;  ///< the place of the first item
    std::vector<T> items;

    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        archive& first& items;
    }
};

/// A pool that knows `functions`, whose place in this list is the tag of their messages.
template <auto... functions>
class MpiPool {
  public:
    /// Runs `body(pool, options)` in rank 0 while the others work for it.
    template <class Body>
    static void run(int argc, char** argv, Body body) {
        const boost::mpi::environment environment(argc, argv);
        const Options options(argc, argv);
        MpiPool pool;
        require(pool.world_.size() == options.workers() + 1, "one rank more than workers");
        if (pool.world_.rank() == 0) {
            body(pool, options);
            pool.stop();
        } else {
            pool.work();
        }
    }

    /// Chunks as the other pools cut them by themselves: four for each worker.
    template <class F, class T>
    auto map(F function, const std::vector<T>& input) {
        const auto chunks = static_cast<std::size_t>(4 * (world_.size() - 1));
        return map(function, input, static_cast<int>((input.size() + chunks - 1) / chunks));
    }
    template <class F, class T>
    auto map(F function, const std::vector<T>& input, int chunksize) {
        std::vector<std::invoke_result_t<F, const T&>> results(input.size());
        const int tag = tag_of(function);
        // Two chunks for each worker, so that none waits for rank 0 after each.
        std::vector<std::deque<boost::mpi::request>> sent(static_cast<std::size_t>(world_.size()));
        auto rest = input.begin();
        const auto send = [&](int worker) {
            const auto count = std::min<std::ptrdiff_t>(chunksize, input.end() - rest);
            if (count == 0)
                return;
            const MpiChunk<T> chunk{static_cast<std::size_t>(rest - input.begin()),
                                    std::vector<T>(rest, rest + count)};
            sent[static_cast<std::size_t>(worker)].push_back(world_.isend(worker, tag, chunk));
            rest += count;
        };
        for (int round = 0; round < 2; ++round)
            for (int worker = 1; worker < world_.size(); ++worker)
                send(worker);
        for (std::size_t done = 0; done < input.size();) {
            const int worker = world_.probe(boost::mpi::any_source, tag).source();
            MpiChunk<std::invoke_result_t<F, const T&>> answer;
            world_.recv(worker, tag, answer);
            auto& requests = sent[static_cast<std::size_t>(worker)];
            requests.front().wait();
            requests.pop_front();
            send(worker);
            std::move(answer.items.begin(), answer.items.end(),
                      results.begin() + static_cast<std::ptrdiff_t>(answer.first));
            done += answer.items.size();
        }
        return results;
    }

  private:
    static constexpr int stop_tag = sizeof...(functions);

    template <class F>
    static int tag_of(F function) {
        int tag = 0;
        int found = stop_tag;
        const auto compare = [&](auto candidate) {
            if constexpr (std::is_same_v<decltype(candidate), F>) {
                if (candidate == function)
                    found = tag;
            }
            ++tag;
        };
        (compare(functions), ...);
        require(found != stop_tag, "a function that the workers know");
        return found;
    }

    void stop() {
        for (int worker = 1; worker < world_.size(); ++worker)
            world_.send(worker, stop_tag);
    }

    void work() {
        for (;;) {
            const int wanted = world_.probe(0, boost::mpi::any_tag).tag();
            if (wanted == stop_tag) {
                world_.recv(0, stop_tag);
                return;
            }
            int tag = 0;
            ((tag++ == wanted ? answer(wanted, functions) : void()), ...);
        }
    }

    template <class R, class T>
    void answer(int tag, R (*function)(T)) {
        MpiChunk<std::decay_t<T>> chunk;
        world_.recv(0, tag, chunk);
        MpiChunk<R> results{chunk.first, {}};
        results.items.reserve(chunk.items.size());
        std::transform(chunk.items.begin(), chunk.items.end(), std::back_inserter(results.items),
                       function);
        world_.send(0, tag, results);
    }

    boost::mpi::communicator world_;
};

}  // namespace benchmark
