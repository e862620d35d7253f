// SPDX-License-Identifier: BSL-1.0
// Who in the parent notices that a worker has answered: a thread that is awake, one that waits for
// a result, or the pool's own thread.
//
// A worker counts its answer in shared memory and then rings: for the waiter if one is asleep,
// else, if no thread attends, for the pool's own thread if that is asleep and answers matter to it.
// Whoever stops attending looks once more, because those who answered meanwhile did not ring.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/memory_map.hpp>
#include <multiprocessing/transport/channel.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

class attention {
  public:
    attention()
        : memory_(os::create_memory("multiprocessing pool", pool_control::task_arena)),
          map_(prepare(memory_.get()), 0, sizeof(pool_control)) {}

    /// The memory that workers share with the parent: the control page and the arena of tasks.
    [[nodiscard]] int memory() const noexcept { return memory_.get(); }
    [[nodiscard]] int waiter_bell() const noexcept { return waiter_bell_.fd(); }
    [[nodiscard]] int dispatcher_bell() const noexcept { return dispatcher_bell_.fd(); }

    // ---- answers

    [[nodiscard]] std::uint64_t answers() const noexcept {
        return control().answers.load(std::memory_order_acquire);
    }
    /// Whether workers have answered since.
    [[nodiscard]] bool has_news() const noexcept {
        return answers() != seen_.load(std::memory_order_relaxed);
    }
    /// So many answers were looked at.
    void saw(std::uint64_t answers) noexcept { seen_.store(answers, std::memory_order_relaxed); }

    // ---- threads that look by themselves

    void start_attending() noexcept { control().attended.fetch_add(1, std::memory_order_relaxed); }
    /// @returns whether somebody must look at what was answered meanwhile
    [[nodiscard]] bool stop_attending() noexcept {
        control().attended.fetch_sub(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return has_news();
    }

    // ---- the waiter: one thread that attends and may sleep

    /// To be called before `waiter_sleeps`: from here on workers and other threads ring.
    void waiter_falls_asleep() noexcept {
        control().waiter_asleep.store(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    /// Sleeps until it is rung, at most `limit`. @returns whether it was rung
    [[nodiscard]] bool waiter_sleeps(std::chrono::nanoseconds limit) {
        const bool rung = os::poll_readable(waiter_bell_.fd(), limit);
        if (rung)
            waiter_bell_.clear();
        return rung;
    }
    void waiter_wakes() noexcept { control().waiter_asleep.store(0, std::memory_order_relaxed); }
    void ring_waiter_if_asleep() const noexcept {
        if (control().waiter_asleep.load(std::memory_order_relaxed) != 0)
            waiter_bell_.set();
    }

    // ---- the pool's own thread

    /// @param listening whether workers shall ring for it
    void dispatcher_falls_asleep(bool listening) noexcept {
        control().dispatcher_asleep.store(listening ? 1 : 0, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    void dispatcher_wakes() noexcept {
        dispatcher_bell_.clear();
        control().dispatcher_asleep.store(0, std::memory_order_relaxed);
    }
    [[nodiscard]] bool dispatcher_listens() const noexcept {
        return control().dispatcher_asleep.load(std::memory_order_relaxed) != 0;
    }
    void ring_dispatcher() const noexcept { dispatcher_bell_.set(); }

  private:
    static int prepare(int fd) {
        os::allocate(fd, 0, sizeof(pool_control));
        return fd;
    }
    [[nodiscard]] pool_control& control() const noexcept {
        return *reinterpret_cast<pool_control*>(map_.data());
    }

    os::descriptor memory_;
    os::memory_map map_;
    os::event waiter_bell_, dispatcher_bell_;
    std::atomic<std::uint64_t> seen_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
