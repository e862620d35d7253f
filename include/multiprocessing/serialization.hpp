// SPDX-License-Identifier: BSL-1.0
// Everything about turning values into bytes: Picklable, dumps, loads, partial, register_exception.
#pragma once

#include <multiprocessing/serialization/arguments.hpp>
#include <multiprocessing/serialization/exception.hpp>
#include <multiprocessing/serialization/partial.hpp>
#include <multiprocessing/serialization/picklable.hpp>
#include <multiprocessing/serialization/pickle.hpp>
