// SPDX-License-Identifier: BSL-1.0
// A lock as it lies in shared memory: what is behind Lock, RLock and the locks of Value and Array.
//
// `mutex` says who holds it and survives every death (os/robust_mutex.hpp). `depth` counts how
// often the holder has acquired it; the holder alone reads and writes it, and every new holder
// begins with 1, so what a dead one left there does not matter. `recursive` is written once. The
// next owner after a death gives the lock back before it throws: then nobody holds it, and it works
// as before. If that one dies too before it has thrown, its own next owner is told.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <type_traits>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/futex.hpp>
#include <multiprocessing/os/robust_mutex.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

struct lock_core {
    os::robust_mutex mutex;
    std::uint32_t depth = 0;
    std::uint32_t recursive;

    explicit lock_core(bool is_recursive) : recursive(is_recursive ? 1 : 0) {}

    [[nodiscard]] const char* name() const noexcept { return recursive != 0 ? "RLock" : "Lock"; }
    [[nodiscard]] bool held_by_caller() const noexcept { return mutex.held_by_caller(); }

    /// @returns false when the deadline passes
    /// @throws OwnerDiedError when the last holder died with it; the caller does not hold it then
    bool acquire(const Deadline& deadline) {
        const os::grant got = mutex.lock_unless_interrupted(deadline);
        if (got == os::grant::already_held && recursive == 0) [[unlikely]]
            wait_for_itself(deadline);
        return take(got);
    }
    bool try_acquire() { return take(mutex.try_lock()); }

    /// @throws ValueError when the caller does not hold it
    void release() {
        require_held("release");
        if (--depth == 0)
            mutex.unlock();
    }

    // For Condition, whose wait gives the lock back in between.

    /// @returns how often the caller, who holds it, has acquired it
    std::uint32_t release_all() noexcept {
        const std::uint32_t levels = depth;
        mutex.unlock();
        return levels;
    }
    /// @returns false when the last holder died with it; the caller holds it in either case
    bool acquire_again(std::uint32_t levels) {
        const os::grant got = mutex.lock();
        depth = levels;
        return got != os::grant::owner_died;
    }

    void require_held(const char* call) const {
        if (!held_by_caller()) [[unlikely]]
            throw ValueError(std::string(name()) + "." + call + ": the caller does not hold it");
    }
    [[noreturn]] void throw_owner_died(const char* call) const {
        throw OwnerDiedError(std::string(call) +
                             ": the process that held the lock died; what the lock guards may be "
                             "half written");
    }

  private:
    bool take(os::grant got) {
        switch (got) {
            case os::grant::refused:
                return false;
            case os::grant::acquired:
                depth = 1;
                return true;
            case os::grant::already_held:
                depth += recursive;
                return recursive != 0;
            case os::grant::owner_died:
                mutex.unlock();
                throw_owner_died(recursive != 0 ? "RLock.acquire" : "Lock.acquire");
        }
        return false;
    }

    /// Nobody else can release it: with a deadline that passes, without one that would be for ever.
    static void wait_for_itself(const Deadline& deadline) {
        if (deadline.never())
            os::throw_system_error("Lock.acquire: the calling thread holds it already", EDEADLK);
        const os::futex_word unchanged{0};
        while (!deadline.expired())
            os::futex_wait_slice(unchanged, 0, deadline);
    }
};
static_assert(sizeof(lock_core) <= 48 && std::is_trivially_destructible_v<lock_core>,
              "a lock and a small value share a cache line");

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
