// SPDX-License-Identifier: BSL-1.0
// What every test of pools needs: a deadline, waiting for a condition, names of outcomes, and the
// same body run over every kind of pool.
#pragma once

#include <sys/time.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <multiprocessing/pool.hpp>
#include <multiprocessing/process.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/random.hpp"
#include "support/sanitized.hpp"
#include "support/start_methods.hpp"
#include "support/watch.hpp"

namespace mp = multiprocessing;

namespace pool_test {

using namespace std::chrono_literals;

using test_support::eventually;
using test_support::every_method;
using test_support::patience;
using test_support::sanitized;
using test_support::scaled;
using test_support::Watch;

/// The name of the library's (or the standard's) type of an exception, the text of any other.
inline std::string name_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const mp::WorkerLostError&) {
        return "WorkerLostError";
    } catch (const mp::CancelledError&) {
        return "CancelledError";
    } catch (const mp::TimeoutError&) {
        return "TimeoutError";
    } catch (const mp::RemoteError&) {
        return "RemoteError";
    } catch (const mp::ProcessError&) {
        return "ProcessError";
    } catch (const mp::PicklingError&) {
        return "PicklingError";
    } catch (const mp::UnpicklingError&) {
        return "UnpicklingError";
    } catch (const mp::ValueError&) {
        return "ValueError";
    } catch (const mp::KeyboardInterrupt&) {
        return "KeyboardInterrupt";
    } catch (const std::system_error&) {
        return "std::system_error";
    } catch (const std::bad_alloc&) {
        return "std::bad_alloc";
    } catch (const std::exception& e) {
        return std::string(e.what()).substr(0, 200);
    } catch (...) {
        return "unknown";
    }
}

/// "value", or the name of what the call threw.
template <class Call>
std::string outcome_of(Call&& call) {
    try {
        static_cast<void>(std::forward<Call>(call)());
        return "value";
    } catch (...) {
        return name_of(std::current_exception());
    }
}

/// "value", the name of what get() threw, or "pending" when nothing came in time.
template <class R>
std::string outcome(const mp::AsyncResult<R>& result, std::chrono::milliseconds limit = patience) {
    if (!result.wait(limit)) {
        return "pending";
    }
    return outcome_of([&] { static_cast<void>(result.get()); });
}

/// Reads an imap to its end: for each item its value as text or the name of its error.
template <class Iterator>
std::vector<std::string> outcomes(Iterator& it, std::size_t at_most) {
    std::vector<std::string> list;
    while (list.size() < at_most) {
        try {
            auto item = it.next(std::chrono::seconds(patience));
            if (!item) {
                return list;
            }
            list.push_back(std::to_string(*item));
        } catch (...) {
            list.push_back(name_of(std::current_exception()));
        }
    }
    return list;
}

inline long count_of(const std::vector<std::string>& list, const std::string& what) {
    return static_cast<long>(std::count(list.begin(), list.end(), what));
}

inline std::vector<int> numbers(int count) {
    std::vector<int> list(static_cast<std::size_t>(count));
    std::iota(list.begin(), list.end(), 0);
    return list;
}

// ---- every kind of pool

enum class Kind { fork, spawn, forkserver, threads };

inline mp::StartMethod method_of(Kind kind) {
    return kind == Kind::spawn        ? mp::StartMethod::spawn
           : kind == Kind::forkserver ? mp::StartMethod::forkserver
                                      : mp::StartMethod::fork;
}

inline std::string name_of(Kind kind) {
    return kind == Kind::threads ? "threads" : mp::to_string(method_of(kind));
}

/// Runs the body with a pool of processes of each start method. Call it once a case.
template <class Body>
void on_process_pools(int processes, Body body) {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    mp::Pool<> pool({.processes = processes, .start_method = method});
    body(pool);
}

/// Runs the body with a pool of each start method and with a ThreadPool. Call it once a case.
template <class Body>
void on_every_pool(int processes, Body body) {
    const Kind kind = GENERATE(Kind::fork, Kind::spawn, Kind::forkserver, Kind::threads);
    INFO("kind of pool " << name_of(kind));
    Watch watch;
    if (kind == Kind::threads) {
        mp::ThreadPool pool({.processes = processes});
        body(pool);
    } else {
        mp::Pool<> pool({.processes = processes, .start_method = method_of(kind)});
        body(pool);
    }
}

// ---- tasks that many tests send

inline int square(int x) {
    return x * x;
}

inline int multiply(int a, int b) {
    return a * b;
}

inline int own_pid() {
    return ::getpid();
}

inline int parent_pid() {
    return ::getppid();
}

inline int fail_on_odd(int x) {
    if (x % 2 != 0) {
        throw std::invalid_argument("odd: " + std::to_string(x));
    }
    return x;
}

inline std::vector<int> serial_squares(int count) {
    std::vector<int> list = numbers(count);
    std::transform(list.begin(), list.end(), list.begin(), square);
    return list;
}

}  // namespace pool_test
