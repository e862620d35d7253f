// SPDX-License-Identifier: BSL-1.0
// A queue of byte strings in shared memory: a log, the turns that processes take at it, and how
// they wait for it.
#pragma once

#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/futex.hpp>
#include <multiprocessing/os/hopeful_spin.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/robust_mutex.hpp>
#include <multiprocessing/queues/queue_log.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A queue's memory as one process sees it. All members may be called by any thread.
class queue_memory {
  public:
    static constexpr std::uint32_t highest = queue_log::highest;

    queue_memory() = default;
    /// @throws std::system_error when there is no memory, address space or descriptor to be had
    explicit queue_memory(std::uint32_t most) : log_(most) {}

    [[nodiscard]] std::uint32_t size() const noexcept { return log_.count(); }
    [[nodiscard]] std::uint32_t most() const noexcept { return control().most; }

    /// Appends an item of `size` bytes.
    /// @param write called with the place where they go; it copies them there and does nothing
    ///     else, for others wait
    /// @returns false when the queue is full until the deadline
    /// @throws std::system_error (ENOSPC, ENOMEM): then the queue is as before; KeyboardInterrupt
    template <class Write>
    bool put(std::size_t size, Write write, const Deadline& deadline) {
        queue_control& c = control();
        return attempt([&] { return try_put(size, write, deadline); }, c.putters, c.head,
                       [&] { return log_.count() < c.most; }, deadline);
    }

    /// Takes the next item out.
    /// @param read called with its bytes; it copies them and does nothing else, for others wait.
    ///     The item stays if it throws
    /// @returns false when there is none until the deadline
    template <class Read>
    bool get(Read read, const Deadline& deadline) {
        queue_control& c = control();
        return attempt([&] { return try_get(read, deadline); }, c.getters, c.tail,
                       [&] { return log_.count() > 0; }, deadline);
    }

    // JoinableQueue

    /// Items that were put and not reported as done.
    [[nodiscard]] std::uint32_t unfinished() const noexcept {
        // In this order: both only grow, so that 0 was true when `done` was read.
        const std::uint32_t done = control().done.load();
        return (queue_log::load(control().tail).count() - done) & log_position::count_mask;
    }
    /// @returns false when all items are done already
    bool task_done() noexcept {
        queue_control& c = control();
        std::uint32_t seen = c.done.load();
        do {
            if (((queue_log::load(c.tail).count() - seen) & log_position::count_mask) == 0)
                return false;
        } while (!c.done.compare_exchange_weak(seen, seen + 1));
        if (c.joiners.load() > 0 && unfinished() == 0)
            os::futex_wake_all(c.done);
        return true;
    }
    /// Waits until all items are done. @returns false when the deadline passes
    bool join(const Deadline& deadline) {
        queue_control& c = control();
        for (;;) {
            const std::uint32_t seen = c.done.load();
            if (unfinished() == 0)
                return true;
            if (deadline.expired())
                return false;
            ++c.joiners;
            os::futex_wait(c.done, seen, deadline.remaining());
            --c.joiners;
            check_interrupt();
        }
    }

    friend bool operator==(const queue_memory&, const queue_memory&) = default;
    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        log_.serialize(archive, version);
    }

  private:
    [[nodiscard]] queue_control& control() const noexcept { return log_.control(); }

    /// What is done under one of the two locks. The last owner's death is no matter here.
    class section {
      public:
        section(os::robust_mutex& mutex, const Deadline& deadline)
            : mutex_(mutex), got_(mutex.try_lock()) {
            if (got_ ==
                os::grant::refused)  // it is held for a moment, unless its holder is stopped
                got_ = mutex.lock_unless_interrupted(
                    deadline.never() ? deadline
                                     : Deadline(deadline.remaining(longest) + wait_slice));
        }
        section(const section&) = delete;
        section& operator=(const section&) = delete;
        ~section() {
            if (*this)
                mutex_.unlock();
        }
        [[nodiscard]] explicit operator bool() const noexcept { return got_ != os::grant::refused; }

      private:
        static constexpr std::chrono::nanoseconds longest = std::chrono::hours(1'000'000);

        os::robust_mutex& mutex_;
        os::grant got_;
    };

    template <class Write>
    bool try_put(std::size_t size, Write& write, const Deadline& deadline) {
        queue_control& c = control();
        if (c.most != highest && log_.count() >= c.most)
            return false;
        const section guard(c.putting, deadline);
        if (!guard || !log_.append(size, write))
            return false;
        wake(c.getters, c.tail);
        return true;
    }

    template <class Read>
    bool try_get(Read& read, const Deadline& deadline) {
        queue_control& c = control();
        if (log_.count() == 0)
            return false;
        const section guard(c.getting, deadline);
        if (!guard || !log_.take(read))
            return false;
        if (c.most != highest)
            wake(c.putters, c.head);
        return true;
    }

    // ---- waiting

    /// The half of a position that changes with every item.
    static const os::futex_word& low_half(const std::atomic<std::uint64_t>& word) noexcept {
        static_assert(std::endian::native == std::endian::little);
        return *reinterpret_cast<const os::futex_word*>(&word);
    }

    /// Wakes one that sleeps until `word` changes.
    void wake(os::futex_word& sleepers, const std::atomic<std::uint64_t>& word) noexcept {
        std::uint32_t seen = sleepers.load();
        if (seen == 0)
            return;
        constexpr std::uint32_t too_many = 64;
        if (os::futex_wake(low_half(word), 1) > 0)
            control().vain.store(0, std::memory_order_relaxed);
        else if (control().vain.fetch_add(1, std::memory_order_relaxed) + 1 >= too_many) {
            // those who are counted were killed, or have just been woken and still count themselves
            control().vain.store(0, std::memory_order_relaxed);
            sleepers.compare_exchange_strong(seen, 0);
        }
    }

    template <class Try, class Ready>
    bool attempt(Try again, os::futex_word& sleepers, const std::atomic<std::uint64_t>& word,
                 Ready ready, const Deadline& deadline) {
        if (again())
            return true;
        thread_local os::hopeful_spin spin;
        for (;;) {
            if (deadline.expired())
                return false;
            if (spin(ready, deadline.remaining()) && again())
                return true;
            ++sleepers;
            const std::uint32_t seen = low_half(word).load();
            if (!ready())
                os::futex_wait(low_half(word), seen, deadline.remaining());
            leave(sleepers);
            check_interrupt();
            if (again())
                return true;
        }
    }
    static void leave(os::futex_word& sleepers) noexcept {
        std::uint32_t seen = sleepers.load();
        while (seen > 0 && !sleepers.compare_exchange_weak(seen, seen - 1)) {
        }
    }

    queue_log log_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
