// SPDX-License-Identifier: BSL-1.0
// Locks: Lock, RLock, Semaphore, BoundedSemaphore, Condition, Event and Barrier.
#pragma once

#include <multiprocessing/core/config.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/synchronize/barrier.hpp>
#include <multiprocessing/synchronize/condition.hpp>
#include <multiprocessing/synchronize/event.hpp>
#include <multiprocessing/synchronize/lock.hpp>
#include <multiprocessing/synchronize/semaphore.hpp>
