// SPDX-License-Identifier: BSL-1.0
// Catch2, version 2 or version 3, whichever is installed.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#define MULTIPROCESSING_CATCH2_VERSION 3
#include <catch2/catch_all.hpp>
#else
#define MULTIPROCESSING_CATCH2_VERSION 2
#include <catch2/catch.hpp>
#endif

#if MULTIPROCESSING_CATCH2_VERSION == 3
// Version 3 moved these out of the namespace's old places.
using Catch::Approx;
#endif
