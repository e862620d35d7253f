// SPDX-License-Identifier: BSL-1.0
// A barrier as it lies in shared memory.
//
// Who arrives is counted under `mutex` in `arrived` and sleeps on `round`, the number of rounds
// that are over. The last of `parties` carries out the action, still under the mutex, and ends the
// round: it notes in `broken_rounds` (a bit for each of the last 64) how, sets `arrived` to 0,
// raises `round` and wakes all. Who times out, aborts or resets ends the round as broken in the
// same way; `broken` says that no new one may begin. Who cannot arrive before its deadline, because
// others carry out an action, sets that alone: their round is theirs. `parties` and `timeout` are
// written once. If a process dies
//   - waiting: it counts as arrived; the round goes on without it;
//   - before it arrives: the others wait for it, until a timeout of one of them breaks the barrier;
//   - in the action, or anywhere else under the mutex: the next one under it breaks the barrier,
//     and the sleepers look once in a slice;
//   - between raising `round` and waking the sleepers: they see it when their slice ends.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/futex.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/robust_mutex.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

struct barrier_core {
    os::robust_mutex mutex;
    os::futex_word round{0};
    std::atomic<std::uint32_t> arrived{0};
    std::atomic<std::uint64_t> broken_rounds{0};
    std::atomic<std::uint32_t> broken{0};
    std::uint32_t parties;
    std::int64_t timeout;  // in nanoseconds, negative for none

    barrier_core(std::uint32_t count, std::int64_t default_timeout)
        : parties(count), timeout(default_timeout) {}

    /// @returns how many had arrived before
    /// @throws BrokenBarrierError, KeyboardInterrupt, what `action` throws
    template <class Action>
    std::uint32_t wait(const Deadline& deadline, Action&& action) {
        std::uint32_t mine = 0;
        std::uint32_t index = 0;
        {
            const section guard(*this, mutex.lock_unless_interrupted(deadline));
            if (!guard) {
                broken = 1;
                os::futex_wake_all(round);  // one of those who wait ends the round
            }
            if (broken != 0)
                throw_broken();
            mine = round;
            index = arrived++;
            if (index + 1 == parties) {
                complete(action);
                return index;
            }
        }
        while (round == mine)
            wait_slice(mine, deadline);
        if (was_broken(mine))
            throw_broken();
        return index;
    }

    void abort() {
        const section guard(*this, mutex.lock());
        break_up();
    }
    void reset() {
        const section guard(*this, mutex.lock());
        if (arrived != 0)
            end_round(true);
        broken = 0;
    }

  private:
    /// What is done under the mutex. What a dead process left there is a broken barrier.
    class section {
      public:
        section(barrier_core& core, os::grant got) : core_(core), got_(got) {
            if (got == os::grant::already_held)
                os::throw_system_error("Barrier: called from its own action", EDEADLK);
            if (got == os::grant::owner_died)
                core_.break_up();
        }
        section(const section&) = delete;
        section& operator=(const section&) = delete;
        ~section() {
            if (*this)
                core_.mutex.unlock();
        }
        /// Whether the mutex is held: not when a deadline passed before.
        [[nodiscard]] explicit operator bool() const noexcept { return got_ != os::grant::refused; }

      private:
        barrier_core& core_;
        const os::grant got_;
    };

    template <class Action>
    void complete(Action& action) {
        try {
            action();
        } catch (...) {
            break_up();
            throw;
        }
        end_round(false);
    }

    void wait_slice(std::uint32_t mine, const Deadline& deadline) {
        if (deadline.expired()) {
            const section guard(*this, mutex.lock());
            if (round == mine)
                break_up();
            return;
        }
        try {
            check_interrupt();
        } catch (...) {
            leave(mine);
            throw;
        }
        os::futex_wait(round, mine, deadline.remaining());
        if (round == mine)
            look_after();
    }
    /// The caller gives up waiting, by no fault of the barrier.
    void leave(std::uint32_t mine) {
        const section guard(*this, mutex.lock());
        if (round == mine)
            --arrived;
    }
    /// A party that died, or one that came too late to take the mutex, may have left this to do.
    void look_after() {
        const os::grant got = mutex.try_lock();
        if (got == os::grant::refused)
            return;
        const section guard(*this, got);
        if (broken != 0 && arrived != 0)
            end_round(true);
    }

    void break_up() noexcept {
        broken = 1;
        end_round(true);
    }
    void end_round(bool as_broken) noexcept {
        const std::uint32_t ending = round;
        if (as_broken)
            broken_rounds |= bit_of(ending);
        else
            broken_rounds &= ~bit_of(ending);
        arrived = 0;
        ++round;
        os::futex_wake_all(round);
    }
    [[nodiscard]] bool was_broken(std::uint32_t ended) const noexcept {
        const bool noted = (broken_rounds & bit_of(ended)) != 0;
        return noted || round - ended >= 64;  // its note is overwritten: better broken than not
    }
    static std::uint64_t bit_of(std::uint32_t number) noexcept {
        return std::uint64_t{1} << (number % 64);
    }
    [[noreturn]] static void throw_broken() {
        throw BrokenBarrierError("Barrier: it is broken, or was reset while others waited");
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
