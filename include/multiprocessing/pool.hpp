// SPDX-License-Identifier: BSL-1.0
// Pools of worker processes and of threads, and what their calls give.
#pragma once

#include <multiprocessing/pool/async_result.hpp>
#include <multiprocessing/pool/imap.hpp>
#include <multiprocessing/pool/options.hpp>
#include <multiprocessing/pool/pool.hpp>
#include <multiprocessing/pool/thread_pool.hpp>
