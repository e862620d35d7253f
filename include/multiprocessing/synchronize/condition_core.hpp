// SPDX-License-Identifier: BSL-1.0
// A condition variable as it lies in shared memory, beside a lock that guards all of it.
//
// Who waits takes a place. `alive` is a robust mutex that it holds as long as it waits, so that
// others can tell one that was killed from one that is slow. `ticket` says in which order they
// came, 0 means that the place is free. `notified` is the word that it sleeps on; a notifier sets
// it for the oldest, and notes in `heard` which tickets existed then. `arrivals` counts tickets;
// `used` is one more than the last place that is taken. All of it is read and written by holders of
// the lock alone, but for the sleep itself. Places are many, not endless: who finds none, or others
// before it that found none, is one of a crowd of `crowd_size`, younger than all with places. It
// sleeps on the word `crowd`, which each notify that reaches the crowd changes. `crowd_calls` says
// how many may go: any that were there at a notify, about the oldest, for that is how they sleep.
// A sleeper takes the lock once in a slice and looks after the others. If a process dies
//   - waiting, not notified: its place is freed by the next who looks;
//   - waiting, notified: the notification goes on to the oldest that waited already when it was
//     given, and to none that came later;
//   - holding the lock, wherever in here: the next owner of the lock is told, if nobody else then a
//     sleeper, whose wait throws; a place has a ticket only while `alive` is held, so none is lost;
//   - in the crowd: `crowd_size` stays too high; a call that nobody answers is left over, and one
//     more than is notified may go later.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/futex.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/robust_mutex.hpp>
#include <multiprocessing/synchronize/lock_core.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

struct condition_core {
    struct place {
        os::robust_mutex alive;
        std::uint64_t ticket = 0;
        std::uint64_t heard = 0;
        os::futex_word notified{0};

        /// Takes over what a killed process left. @returns false when its waiter lives
        bool seize() {
            const os::grant got = alive.try_lock();
            return got == os::grant::acquired || got == os::grant::owner_died;
        }
        void free() noexcept {
            ticket = 0;
            alive.unlock();
        }
    };

    std::uint64_t arrivals = 0;
    std::uint32_t used = 0;
    std::uint32_t crowd_size = 0;
    std::uint32_t crowd_calls = 0;
    os::futex_word crowd{0};
    std::array<place, 62> places;

    /// Gives `lock`, which the caller holds, back; waits for a notification; takes it again.
    /// @returns false when the deadline passes before a notification
    /// @throws OwnerDiedError, KeyboardInterrupt: holding the lock, too
    bool wait(lock_core& lock, const Deadline& deadline) {
        const visit stay(*this);
        for (;;) {
            const std::uint32_t seen = stay.word;
            const std::uint32_t levels = lock.release_all();
            os::futex_wait(stay.word, seen, deadline.remaining());
            if (!lock.acquire_again(levels))
                lock.throw_owner_died("Condition.wait");
            pass_on();
            if (stay.is_over())
                return true;
            if (deadline.expired())
                return false;
            check_interrupt();
        }
    }

    /// Wakes the first `count` of those that wait. The caller holds the lock.
    void notify(std::uint64_t count) {
        if (used > 0) {
            pass_on();
            count = wake(count, arrivals);
        }
        call_crowd(count);
    }

  private:
    /// The stay of a waiter, which comes and goes holding the lock.
    struct visit {
        explicit visit(condition_core& condition)
            : core(condition),
              mine(core.crowd_size == 0 ? core.take_place() : nullptr),
              word(mine != nullptr ? mine->notified : core.crowd),
              before(word) {
            core.crowd_size += mine == nullptr ? 1 : 0;
        }
        visit(const visit&) = delete;
        visit& operator=(const visit&) = delete;
        ~visit() {
            if (mine != nullptr) {
                core.give_up(*mine);
            } else {
                --core.crowd_size;
                core.crowd_calls = std::min(core.crowd_calls, core.crowd_size);
            }
        }
        /// Whether it was notified. In the crowd that uses up a call.
        [[nodiscard]] bool is_over() const noexcept {
            if (word == before)
                return false;
            if (mine != nullptr)
                return true;
            if (core.crowd_calls == 0)
                return false;
            --core.crowd_calls;
            return true;
        }

        condition_core& core;
        place* const mine;
        os::futex_word& word;
        const std::uint32_t before;
    };

    [[nodiscard]] std::span<place> taken() noexcept { return std::span(places).first(used); }

    place* take_place() {
        for (std::size_t i = 0; i < places.size(); ++i) {
            place& candidate = places[i];
            if (candidate.ticket != 0 || !candidate.seize())
                continue;
            candidate.notified = 0;
            candidate.ticket = ++arrivals;
            if (used <= i)
                used = static_cast<std::uint32_t>(i + 1);
            return &candidate;
        }
        return nullptr;
    }
    void give_up(place& mine) noexcept {
        mine.free();
        while (used > 0 && places[used - 1].ticket == 0)
            --used;
    }

    /// Frees the places of killed waiters; what had reached them goes on to others.
    void pass_on() {
        for (place& dead : taken()) {
            if (dead.ticket == 0 || !dead.seize())
                continue;
            const bool lost = dead.notified.load(std::memory_order_relaxed) != 0;
            dead.free();
            if (lost)
                call_crowd(wake(1, dead.heard));
        }
    }

    /// Notifies so many of the crowd, as far as there are any that are not.
    void call_crowd(std::uint64_t count) noexcept {
        const auto calls =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(count, crowd_size - crowd_calls));
        if (calls == 0)
            return;
        crowd_calls += calls;
        ++crowd;
        os::futex_wake(crowd, calls);
    }

    /// Notifies the oldest `count` that are not yet, of those with tickets up to `last`.
    /// @returns how many more there should have been
    std::uint64_t wake(std::uint64_t count, std::uint64_t last) noexcept {
        for (; count > 0; --count) {
            place* oldest = nullptr;
            for (place& other : taken()) {
                if (other.ticket != 0 && other.ticket <= last && other.notified == 0 &&
                    (oldest == nullptr || other.ticket < oldest->ticket))
                    oldest = &other;
            }
            if (oldest == nullptr)
                break;
            oldest->heard = last;
            oldest->notified = 1;
            os::futex_wake(oldest->notified, 1);
        }
        return count;
    }
};
static_assert(sizeof(condition_core) + sizeof(lock_core) <= 4096, "with its lock it fills a page");

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
