// SPDX-License-Identifier: BSL-1.0
// What the component mpi brings: its headers, Boost.MPI, MPI.
#include <boost/mpi/environment.hpp>
#include <multiprocessing/fwd.hpp>

static_assert(__has_include(<multiprocessing/mpi.hpp>));

int main() {
    return boost::mpi::environment::initialized() ? 1 : 0;
}
