// SPDX-License-Identifier: BSL-1.0
// The whole library; include multiprocessing/pool.hpp and its neighbours for one part of it.
#pragma once

#include <multiprocessing/connection.hpp>
#include <multiprocessing/context.hpp>
#include <multiprocessing/core/config.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/logging.hpp>
#include <multiprocessing/fwd.hpp>
#include <multiprocessing/managers.hpp>
#include <multiprocessing/pool.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/serialization.hpp>
#include <multiprocessing/shared.hpp>
#include <multiprocessing/synchronize.hpp>
