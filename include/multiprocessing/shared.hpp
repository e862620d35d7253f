// SPDX-License-Identifier: BSL-1.0
// Shared memory: Value, Array, RawValue and RawArray, SharedMemory and ShareableList.
#pragma once

#include <multiprocessing/core/config.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/shared/array.hpp>
#include <multiprocessing/shared/shareable_list.hpp>
#include <multiprocessing/shared/shared_memory.hpp>
#include <multiprocessing/shared/value.hpp>
