// SPDX-License-Identifier: BSL-1.0
// What the component mpi brings: its headers, Boost.MPI, MPI.
#include <boost/mpi/environment.hpp>
#include <multiprocessing/fwd.hpp>

#if !__has_include(<multiprocessing/mpi.hpp>)
#error "the package lacks multiprocessing/mpi.hpp"
#endif

int main() {
    return boost::mpi::environment::initialized() ? 1 : 0;
}
