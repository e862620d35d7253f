// SPDX-License-Identifier: BSL-1.0
// Queues: Queue, JoinableQueue and SimpleQueue.
#pragma once

#include <multiprocessing/core/config.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/queues/queue.hpp>
