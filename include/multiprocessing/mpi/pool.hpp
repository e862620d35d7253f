// SPDX-License-Identifier: BSL-1.0
// mpi::Pool: the calls of a Pool carried out by the other ranks of an MPI program.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <multiprocessing/mpi/cluster.hpp>
#include <multiprocessing/pool/call.hpp>
#include <multiprocessing/pool/calls.hpp>
#include <multiprocessing/pool/pool.hpp>
#include <multiprocessing/pool/pool_lifetime.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Calls that travel to other ranks, or, where there are none, to worker processes of this one.
class mpi_backend {
    template <class Visit>
    decltype(auto) visit(Visit visitor) const {
        return ranks_ ? visitor(*ranks_) : visitor(here_->running());
    }

  public:
    template <class F>
    using call = process_backend::call<F>;
    template <class Call>
    using apply_job = process_backend::apply_job<Call>;
    template <class Call, class Items, bool Spread>
    using map_job = process_backend::map_job<Call, Items, Spread>;
    template <class Call>
    using chunk_job = process_backend::chunk_job<Call>;

    template <class F>
    static constexpr bool accepts = process_backend::accepts<F>;
    template <class F>
    static constexpr void check() {
        process_backend::check<F>();
    }

    explicit mpi_backend(process_backend here) : here_(std::move(here)) {}
    explicit mpi_backend(std::shared_ptr<cluster> ranks) noexcept : ranks_(std::move(ranks)) {}

    [[nodiscard]] std::size_t workers() const {
        return visit([](auto& engine) { return engine.workers(); });
    }
    [[nodiscard]] std::shared_ptr<executor> runs_on() const {
        return ranks_ ? std::shared_ptr<executor>(ranks_) : here_->runs_on();
    }
    void check_running() const {
        visit([](auto& engine) { engine.check_running(); });
    }

    /// Whatever carries the calls out: this object itself speaks for it.
    [[nodiscard]] const mpi_backend& running() const noexcept { return *this; }
    void submit(std::span<counted<job>> work) const {
        visit([&](auto& engine) { engine.submit(work); });
    }
    void close() const {
        visit([](auto& engine) { engine.close(); });
    }
    void join() const {
        visit([](auto& engine) { engine.join(); });
    }
    void terminate() const {
        visit([](auto& engine) { engine.terminate(); });
    }
    void dismiss() const noexcept {
        visit([](auto& engine) { engine.dismiss(); });
    }

  private:
    std::optional<process_backend> here_;
    std::shared_ptr<cluster> ranks_;
};

}  // namespace detail

namespace mpi {

/// The calls of Pool<> carried out by the other ranks of an MPI program; by worker processes of
/// this one where it is alone. `run` makes it.
///
/// Everything is as with Pool<>, but for what follows from where the workers are:
/// - a rank that carries out calls itself (`run` without `processes`) cannot be replaced: a task
///   that crashes or calls exit ends the whole MPI program; `timeout` and `cancel` give up waiting,
///   and the rank goes on; `retries` and `maxtasksperchild` have no effect;
/// - with `processes` each rank hands its calls to a Pool<> of its own: nothing of that holds but
///   that `cancel` gives up waiting;
/// - the handles of the library (locks, queues, shared memory, connections) name what one machine
///   has: only a manager with an address serves several.
/// @note Any thread of rank 0.
/// @par Python `mpi4py.futures.MPICommExecutor`
class Pool : public detail::free_calls<detail::mpi_backend>, public detail::pool_lifetime<Pool> {
  public:
    /// For run().
    explicit Pool(detail::mpi_backend backend) : free_calls(std::move(backend)) {}
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    /// terminate() and join().
    ~Pool() { backend_.dismiss(); }

    /// For pool_lifetime.
    [[nodiscard]] const detail::mpi_backend& backend_of_pool() const noexcept { return backend_; }
};

}  // namespace mpi
}  // namespace v0
}  // namespace multiprocessing
