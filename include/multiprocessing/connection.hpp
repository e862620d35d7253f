// SPDX-License-Identifier: BSL-1.0
// Connections: Pipe, Connection, wait, Listener and Client, and descriptors that are sent.
#pragma once

#include <multiprocessing/connection/address.hpp>
#include <multiprocessing/connection/authentication.hpp>
#include <multiprocessing/connection/connection.hpp>
#include <multiprocessing/connection/listener.hpp>
#include <multiprocessing/connection/reduction.hpp>
#include <multiprocessing/connection/wait.hpp>
#include <multiprocessing/core/config.hpp>
#include <multiprocessing/core/errors.hpp>
