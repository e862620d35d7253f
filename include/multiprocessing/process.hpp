// SPDX-License-Identifier: BSL-1.0
// Processes, start methods, CPU counts and Ctrl-C: everything of the process floor.
#pragma once

#include <multiprocessing/core/config.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/process/cpu_count.hpp>
#include <multiprocessing/process/freeze_support.hpp>
#include <multiprocessing/process/interrupt.hpp>
#include <multiprocessing/process/process.hpp>
#include <multiprocessing/process/process_info.hpp>
#include <multiprocessing/process/start_method.hpp>
