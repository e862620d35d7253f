// SPDX-License-Identifier: BSL-1.0
// A Boost.Interprocess message queue that lives in a memory file and therefore has no name.
//
// Boost makes its queues by name only, by shm_open and ftruncate. A name outlives a process that is
// killed at the wrong moment, and on a full /dev/shm the constructor ends by SIGBUS. A queue in a
// memfd whose pages were allocated first has neither fault. The price is that this file leans on
// two declarations of Boost that are private to it (the same from 1.81 to 1.91):
//  - message_queue_t<P> befriends ipcdetail::msg_queue_initialization_func_t<P>, and declares a
//    default constructor that it never defines: both may be specialized for a pointer type of ours;
//  - managed_open_or_create_impl befriends ipcdetail::interprocess_tester, whose member template
//  may
//    be specialized for a type of ours: it puts our mapping into the queue.
#pragma once

#include <boost/interprocess/ipc/message_queue.hpp>

#include <atomic>
#include <cstddef>
#include <new>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

namespace bip = boost::interprocess;

// Like Boost's own choice but for the alignment, which makes it a type of ours.
using queue_pointer = bip::offset_ptr<void, std::ptrdiff_t, std::size_t, 16>;
using boost_queue = bip::message_queue_t<queue_pointer>;
using boost_queue_header = bip::ipcdetail::mq_hdr_t<queue_pointer>;
using boost_queue_memory =
    bip::ipcdetail::managed_open_or_create_impl<bip::shared_memory_object, 0, true, false>;

struct queue_memory_swap {
    boost_queue_memory& memory;
    bip::mapped_region& region;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing

namespace boost {
namespace interprocess {

template <>
inline message_queue_t<multiprocessing::detail::queue_pointer>::message_queue_t() {}

namespace ipcdetail {

template <>
inline void
interprocess_tester::dont_close_on_destruction<multiprocessing::detail::queue_memory_swap>(
    multiprocessing::detail::queue_memory_swap& swap) {
    swap.memory.m_mapped_region.swap(swap.region);
}

template <>
class msg_queue_initialization_func_t<multiprocessing::detail::queue_pointer> {
  public:
    // What message_queue_t's named constructors want; they are never called for this pointer type.
    explicit msg_queue_initialization_func_t(std::size_t = 0, std::size_t = 0) {}
    bool operator()(void*, std::size_t, bool) { return false; }
    [[nodiscard]] std::size_t get_min_size() const { return 0; }

    static multiprocessing::detail::boost_queue* make(void* where, mapped_region& region) {
        auto* const queue = ::new (where) multiprocessing::detail::boost_queue();
        multiprocessing::detail::queue_memory_swap swap{queue->m_shmem, region};
        interprocess_tester::dont_close_on_destruction(swap);
        return queue;
    }
};

}  // namespace ipcdetail
}  // namespace interprocess
}  // namespace boost

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Lets one process at a time into a queue, without ever waiting: Boost's calls take a lock
/// blockingly, and a process that is stopped by SIGSTOP inside one would hold up the other.
/// Lives in shared memory.
struct queue_gate {
    std::atomic<std::uint32_t> taken;

    [[nodiscard]] bool try_enter() noexcept {
        return taken.load(std::memory_order_relaxed) == 0 &&
               taken.exchange(1, std::memory_order_acquire) == 0;
    }
    void leave() noexcept { taken.store(0, std::memory_order_release); }
};

/// One direction between two processes: a bounded queue of messages in `[offset, offset + bytes())`
/// of a memory file, entered through its gate only.
/// @note Two processes and, on each side, one thread at a time: with three lockers a kill can make
/// a robust mutex lose a wake-up.
class message_queue {
  public:
    static std::size_t bytes(std::size_t capacity, std::size_t message_size) {
        return boost_queue_header::get_mem_size(message_size, capacity);
    }

    /// Makes the queue in memory that is zero and has its pages.
    static void format(int fd, std::size_t offset, std::size_t capacity, std::size_t message_size) {
        const bip::mapped_region region = map(fd, offset, bytes(capacity, message_size));
        ::new (static_cast<char*>(region.get_address()) +
               boost_queue_memory::ManagedOpenOrCreateUserOffset)
            boost_queue_header(capacity, message_size);
    }

    message_queue(int fd, std::size_t offset, std::size_t capacity, std::size_t message_size,
                  queue_gate& gate)
        : gate_(&gate) {
        bip::mapped_region region = map(fd, offset, bytes(capacity, message_size));
        queue_ =
            bip::ipcdetail::msg_queue_initialization_func_t<queue_pointer>::make(place_, region);
    }
    message_queue(const message_queue&) = delete;
    message_queue& operator=(const message_queue&) = delete;
    ~message_queue() { queue_->~boost_queue(); }

    /// @returns false when the queue is full or the other process is inside
    /// @throws bip::lock_exception when the other process died inside
    [[nodiscard]] bool try_send(const void* message, std::size_t size) {
        if (!gate_->try_enter())
            return false;
        const gate_guard guard{*gate_};
        return queue_->try_send(message, size, 0);
    }

    /// @returns the message's size, or 0 when there is none or the other process is inside
    /// @throws bip::lock_exception when the other process died inside
    [[nodiscard]] std::size_t try_receive(void* buffer, std::size_t size) {
        if (!gate_->try_enter())
            return 0;
        const gate_guard guard{*gate_};
        boost_queue::size_type received = 0;
        unsigned priority = 0;
        return queue_->try_receive(buffer, size, received, priority) ? received : 0;
    }

  private:
    struct gate_guard {
        queue_gate& gate;
        ~gate_guard() { gate.leave(); }
    };
    struct mappable {
        int fd;
        [[nodiscard]] bip::mapping_handle_t get_mapping_handle() const {
            return bip::ipcdetail::mapping_handle_from_file_handle(fd);
        }
    };
    static bip::mapped_region map(int fd, std::size_t offset, std::size_t size) {
        return bip::mapped_region(mappable{fd}, bip::read_write, static_cast<bip::offset_t>(offset),
                                  size);
    }

    alignas(boost_queue) unsigned char place_[sizeof(boost_queue)];
    boost_queue* queue_;
    queue_gate* gate_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
