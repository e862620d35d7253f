// SPDX-License-Identifier: BSL-1.0
// Managers: objects that live in a server process, and their proxies.
#pragma once

#include <multiprocessing/core/config.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/base_manager.hpp>
#include <multiprocessing/managers/manager.hpp>
