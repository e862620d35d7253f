// SPDX-License-Identifier: BSL-1.0
// Connections: Pipe, Connection, wait, Listener and Client.
#pragma once

#include <multiprocessing/connection/connection.hpp>
#include <multiprocessing/connection/wait.hpp>
#include <multiprocessing/core/config.hpp>
#include <multiprocessing/core/errors.hpp>
