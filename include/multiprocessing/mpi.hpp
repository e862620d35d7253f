// SPDX-License-Identifier: BSL-1.0
// More than one machine: a Pool whose workers are the ranks of an MPI program. Not a part of
// multiprocessing.hpp: it needs Boost.MPI, CMake's target multiprocessing::mpi.
#pragma once

#include <multiprocessing/mpi/pool.hpp>
#include <multiprocessing/mpi/run.hpp>
