// SPDX-License-Identifier: BSL-1.0
// One process's part in an MPI program, from MPI_Init to MPI_Finalize.
#pragma once

#include <boost/mpi/collectives/broadcast.hpp>
#include <boost/mpi/collectives/gather.hpp>
#include <boost/mpi/communicator.hpp>
#include <boost/mpi/environment.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/mpi/cluster.hpp>
#include <multiprocessing/mpi/mailbox.hpp>
#include <multiprocessing/mpi/pool.hpp>
#include <multiprocessing/mpi/rank_loop.hpp>
#include <multiprocessing/mpi/rank_relay.hpp>
#include <multiprocessing/mpi/rank_worker.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/pool/options.hpp>
#include <multiprocessing/pool/pool.hpp>
#include <multiprocessing/process/child.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/process/role_code.hpp>
#include <multiprocessing/serialization/exception.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Ends the whole MPI program.
[[noreturn]] inline void abort_job(const std::string& reason) noexcept {
    os::print_error("multiprocessing: " + reason + "\n");
    boost::mpi::environment::abort(EXIT_FAILURE);
    os::end_process(EXIT_FAILURE);
}

/// What the launcher says in the first of these variables that is set; it may know and say nothing.
/// Right or wrong, that decides only when workers are started.
inline std::optional<int> launcher_says(std::initializer_list<const char*> names) noexcept {
    for (const char* const name : names)
        if (const char* const value = std::getenv(name))
            return std::atoi(value);
    return std::nullopt;
}
/// Whether this process is one of several.
inline bool launched_with_others() noexcept {
    return launcher_says({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"}) > 1;
}
inline bool launched_as_first() noexcept {
    return launcher_says(
               {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK"}) == 0;
}

/// A process that ends in between, because a task called exit, must not leave the others waiting.
/// Copies of it that were forked may.
class exit_guard {
  public:
    exit_guard() {
        static const bool registered = (std::atexit(at_exit), true);
        (void)registered;
        made_in() = os::fork_count();
    }
    exit_guard(const exit_guard&) = delete;
    exit_guard& operator=(const exit_guard&) = delete;
    ~exit_guard() { made_in() = nowhere; }

  private:
    static constexpr unsigned nowhere = ~0U;
    static std::atomic<unsigned>& made_in() noexcept {
        static std::atomic<unsigned> count{nowhere};
        return count;
    }
    static void at_exit() {
        if (made_in() == os::fork_count())
            abort_job(this_process().name +
                      " called exit() inside mpi::run, which ends the whole MPI program");
    }
};

/// @note Made, used and destroyed by one thread. Its workers are forked before MPI begins: what a
/// child of an MPI process may do nobody says.
class mpi_session {
  public:
    /// @throws ValueError when MPI was begun by somebody else; ProcessError in rank 0 when ranks
    /// are no copies of this program; what a Pool throws
    mpi_session(int argc, char** argv, const PoolOptions& options) : options_(options) {
        if (boost::mpi::environment::initialized())
            throw ValueError(
                "mpi::run: MPI is initialized already: run() begins and ends it by itself, and "
                "nothing else may");
        if (!launched_with_others() || (options.processes && !launched_as_first()))
            start_workers();
        environment_.emplace(argc, argv, boost::mpi::threading::serialized, false);
        if (boost::mpi::environment::thread_level() < boost::mpi::threading::serialized)
            throw ProcessError(
                "mpi::run: this MPI does not serve several threads (MPI_THREAD_SERIALIZED)");
        ranks_ = boost::mpi::communicator(boost::mpi::communicator(),
                                          boost::mpi::comm_duplicate);  // tags of our own
        rest_ = boost::mpi::communicator(ranks_, boost::mpi::comm_duplicate);
        if (ranks_.size() > 1) {
            guard_.emplace();
            this_process().name = "MpiRank-" + std::to_string(ranks_.rank());
        }
        compare_programs();
        if (leads() && ranks_.size() > 1) {
            stop_workers();
            cluster_ = cluster::make(mailbox(ranks_, rest_), processes());
        } else if (!leads() && !options.processes) {
            stop_workers();
        } else if (!workers_) {  // the launcher said nothing
            start_workers();
        }
    }
    mpi_session(const mpi_session&) = delete;
    mpi_session& operator=(const mpi_session&) = delete;
    ~mpi_session() {
        stop_workers();
        if (!cluster_)
            return;
        cluster_->dismiss();
        if (const auto failure = cluster_->failure())
            abort_job("the other ranks cannot be dismissed: " + describe(failure));
    }

    /// Whether this is rank 0.
    [[nodiscard]] bool leads() const { return ranks_.rank() == 0; }
    /// In rank 0: what its pool works with.
    [[nodiscard]] mpi_backend backend() const {
        return cluster_ ? mpi_backend(cluster_) : mpi_backend(*workers_);
    }
    /// In the other ranks: carries out calls until rank 0 has no more.
    /// @returns what main is to return
    int serve() noexcept {
        if (refused_)
            return EXIT_FAILURE;
        try {
            mailbox box(ranks_, rest_);
            const std::string& name = this_process().name;
            if (workers_) {
                rank_relay relay(box, workers_->running(), name);
                box.send(0, letter::ready);
                serve_rank(box, relay);
            } else {
                initialize(box, name);
                rank_worker worker(box, name);
                serve_rank(box, worker);
            }
            return EXIT_SUCCESS;
        } catch (...) {
            abort_job(this_process().name + ": " + describe(std::current_exception()));
        }
    }

  private:
    void start_workers() {
        workers_.emplace(options_, std::make_unique<pool_setup>(), nullptr,
                         std::span<const std::byte>());
    }
    void stop_workers() noexcept {
        if (workers_)
            workers_->running().dismiss();
        workers_.reset();
    }
    [[nodiscard]] std::size_t processes() const {
        return options_.processes ? options_.processes->at_least(1, "processes") : 0;
    }
    void initialize(mailbox& box, const std::string& name) {
        try {
            if (options_.initializer)
                options_.initializer.call()();
            box.send(0, letter::ready);
        } catch (...) {
            heap_buffer message = box.start();
            save_exception(message, std::current_exception(), name);
            box.send(0, letter::failed, {}, std::move(message));
        }
    }

    /// All ranks must run the same build of the same program: functions travel as places in it.
    void compare_programs() {
        struct program {
            std::uint64_t digest;
            std::array<char, 64> host;
        };
        std::array<char, sizeof(program)> bytes{};
        program mine{program_fingerprint(), {}};
        boost::mpi::environment::processor_name().copy(mine.host.data(), mine.host.size() - 1);
        std::memcpy(bytes.data(), &mine, sizeof mine);
        std::vector<char> all(bytes.size() * static_cast<std::size_t>(ranks_.size()));
        boost::mpi::gather(ranks_, bytes.data(), static_cast<int>(bytes.size()), all, 0);
        std::string others;
        for (int rank = 1; leads() && rank < ranks_.size(); ++rank) {
            program theirs;
            std::memcpy(&theirs, all.data() + static_cast<std::size_t>(rank) * sizeof theirs,
                        sizeof theirs);
            if (theirs.digest != mine.digest)
                others += " rank " + std::to_string(rank) + " on " + theirs.host.data() + ",";
        }
        refused_ = !others.empty();
        boost::mpi::broadcast(ranks_, refused_, 0);
        if (!others.empty())
            throw ProcessError("mpi::run: another build of the program than in rank 0 runs in" +
                               others.substr(0, others.size() - 1) +
                               ": all ranks need the same file");
    }

    static std::string describe(const std::exception_ptr& failure) noexcept {
        try {
            std::rethrow_exception(failure);
        } catch (...) {
            return describe_exception();
        }
    }

    PoolOptions options_;
    std::optional<process_backend> workers_;  // of this rank
    std::optional<boost::mpi::environment> environment_;
    boost::mpi::communicator ranks_, rest_;
    std::optional<exit_guard> guard_;   // where there are others
    std::shared_ptr<cluster> cluster_;  // in rank 0, where there are others
    bool refused_ = false;              // rank 0 works with other ranks, or with none
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
