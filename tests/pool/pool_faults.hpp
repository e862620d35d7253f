// SPDX-License-Identifier: BSL-1.0
// Tasks, arguments and results that misbehave on purpose.
#pragma once

#include <sys/resource.h>
#include <unistd.h>
#include <csignal>

#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

#include "pool/pool_board.hpp"
#include "pool/pool_processes.hpp"

namespace pool_test {

/// Ways to end a worker.
enum class Death { kill, segv, abort, exit_now_0, exit_now_3, exit, terminate, stack, last };

inline std::string name_of(Death death) {
    switch (death) {
        case Death::kill:
            return "SIGKILL";
        case Death::segv:
            return "SIGSEGV";
        case Death::abort:
            return "abort()";
        case Death::exit_now_0:
            return "_exit(0)";
        case Death::exit_now_3:
            return "_exit(3)";
        case Death::exit:
            return "exit(5)";
        case Death::terminate:
            return "std::terminate()";
        case Death::stack:
            return "stack overflow";
        case Death::last:
            break;
    }
    return "?";
}

/// The exit code that the parent must see.
inline int exitcode_of(Death death) {
    switch (death) {
        case Death::kill:
            return -SIGKILL;
        case Death::segv:
        case Death::stack:
            return -SIGSEGV;
        case Death::abort:
        case Death::terminate:
            return -SIGABRT;
        case Death::exit_now_0:
            return 0;
        case Death::exit_now_3:
            return 3;
        case Death::exit:
            return 5;
        case Death::last:
            break;
    }
    return 1000;
}

/// Calls itself until the stack ends; the condition, never true, is there for the compiler.
inline int eat_stack(volatile char* above) {
    volatile char room[4096];
    room[0] = above ? above[0] : '\0';
    if (room[0] == 'x') {
        return 0;
    }
    return eat_stack(room) + room[0];
}

/// Ends the calling process. Handlers that the test program has set are removed first, and no core
/// file is written.
inline void die(Death death) {
    const rlimit no_core = {};
    ::setrlimit(RLIMIT_CORE, &no_core);
    for (const int number : {SIGSEGV, SIGBUS, SIGABRT}) {
        std::signal(number, SIG_DFL);
    }
    switch (death) {
        case Death::kill:
            ::kill(::getpid(), SIGKILL);
            break;
        case Death::segv:
            ::kill(::getpid(), SIGSEGV);
            break;
        case Death::abort:
            std::abort();
        case Death::exit_now_0:
            ::_exit(0);
        case Death::exit_now_3:
            ::_exit(3);
        case Death::exit:
            std::exit(5);
        case Death::terminate:
            std::set_terminate([] { std::abort(); });
            std::terminate();
        case Death::stack:
            eat_stack(nullptr);
            break;
        case Death::last:
            break;
    }
}

/// Dies where told; other items give their square.
struct Mortal {
    int value = 0;
    Death death = Death::last;
};

inline int square_or_die(Mortal item) {
    die(item.death);
    return item.value * item.value;
}

/// What a Traveller does, and when. "There" is a process other than the one that made the object.
enum class Mischief { none, throw_saving, throw_loading, die_saving, die_loading };

/// A value that misbehaves while it is saved or loaded in a process other than `home`, or in
/// `home` itself if `at_home`.
struct Traveller {
    int value = 0;
    int home = 0;
    bool at_home = false;
    Mischief mischief = Mischief::none;
    std::string payload;

    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        int kind = static_cast<int>(mischief);
        archive& value& home& at_home& kind;
        mischief = static_cast<Mischief>(kind);
        const bool here = (::getpid() == home) == at_home;
        const bool saving = Archive::is_saving::value;
        if (here && mischief == (saving ? Mischief::throw_saving : Mischief::throw_loading)) {
            throw std::runtime_error("a troubled journey");
        }
        if (here && mischief == (saving ? Mischief::die_saving : Mischief::die_loading)) {
            die(Death::segv);
        }
        archive& payload;
    }
};

inline Traveller traveller(int value, Mischief mischief = Mischief::none, bool at_home = false) {
    Traveller made;
    made.value = value;
    made.home = ::getpid();
    made.at_home = at_home;
    made.mischief = mischief;
    made.payload = "payload";
    return made;
}

/// Keeps the argument's home, so that its mischief shows on the way back too.
inline Traveller send_back(const Traveller& t) {
    return t;
}

inline int value_of_traveller(const Traveller& t) {
    return t.value;
}

/// Makes the troubled value in the worker: `home` is the parent.
inline Traveller make_traveller(int value, int home, int mischief, bool at_home) {
    Traveller made = traveller(value, static_cast<Mischief>(mischief), at_home);
    made.home = home;
    return made;
}

}  // namespace pool_test
