// SPDX-License-Identifier: BSL-1.0
// Contexts: start methods as objects, which make whatever else the library has.
#pragma once

#include <multiprocessing/core/config.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/pool/context.hpp>
