// SPDX-License-Identifier: BSL-1.0
// mpi::run: where a program becomes rank 0, which has a pool, or one of the ranks that work for it.
#pragma once

#include <concepts>
#include <cstdlib>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

#include <multiprocessing/mpi/pool.hpp>
#include <multiprocessing/mpi/session.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/pool/options.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace mpi {

/// Calls `f(pool)` in rank 0 of an MPI program, while all other ranks carry out the pool's calls.
/// All ranks call it, with equal options, once and almost first in main; it begins and ends
/// MPI.
/// @param f is called with an mpi::Pool&; returns what main is to return, or nothing for 0
/// @param options `processes`: each rank but the first carries out calls in so many worker
/// processes of its own, which are forked before MPI begins; without it, a rank carries them out
/// itself, one after the other. `initializer`: called in each of these. If it throws, the pool is
/// broken with that exception. The others: of the worker processes. Where there is one rank only,
/// they are the options of its local pool.
/// @returns in rank 0 what `f` returns; in the others 0, or EXIT_FAILURE when rank 0 refused them
/// @throws what `f` throws, after the other ranks were dismissed; ValueError when MPI is
/// initialized already, or for `processes` below 1; ProcessError in rank 0 when other ranks run
/// another build of the program; boost::mpi::exception when MPI fails at its beginning
/// @note When it returns, MPI is finalized. Where there are several ranks, one that calls exit()
/// inside of it ends the MPI program with exit code 1. A copy of rank 0 that was forked in `f` may
/// not use the pool; one that comes out of `f` ends there, as by _exit.
/// @par Python `with MPICommExecutor() as executor: if executor is not None: ...`
template <class F>
    requires std::invocable<F&, Pool&>
int run(int argc, char** argv, F f, PoolOptions options = {}) {
    std::exception_ptr failure;
    int status = EXIT_SUCCESS;
    {
        const os::fork_mark mark;
        detail::mpi_session session(argc, argv, options);
        if (!session.leads())
            return session.serve();
        Pool pool(session.backend());
        try {
            if constexpr (std::is_void_v<std::invoke_result_t<F&, Pool&>>)
                std::invoke(f, pool);
            else
                status = std::invoke(f, pool);
        } catch (...) {
            failure = std::current_exception();
        }
        if (mark.forked())  // MPI is not this process's to end
            os::end_process(failure ? EXIT_FAILURE : status);
    }
    if (failure)
        std::rethrow_exception(failure);
    return status;
}

}  // namespace mpi
}  // namespace v0
}  // namespace multiprocessing
