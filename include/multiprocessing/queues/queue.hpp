// SPDX-License-Identifier: BSL-1.0
// Queue, JoinableQueue and SimpleQueue: values of one type from any number of processes to any
// number of others.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/queues/queue_memory.hpp>
#include <multiprocessing/serialization/checks.hpp>
#include <multiprocessing/serialization/picklable.hpp>
#include <multiprocessing/serialization/pickle.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What the three kinds of queue share: the memory, and whether this process has closed it.
template <class T>
class queue_handle {
  public:
    using multiprocessing_handle = void;

    /// Two handles are equal when they name the same queue.
    friend bool operator==(const queue_handle& a, const queue_handle& b) noexcept {
        return a.state_ == b.state_ || a.state_->memory == b.state_->memory;
    }

    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        if constexpr (Archive::is_saving::value) {
            state_->memory.serialize(archive, version);
        } else {
            auto arrived = std::make_shared<state>();
            arrived->memory.serialize(archive, version);
            state_ = std::move(arrived);
        }
    }

  protected:
    explicit queue_handle(std::uint32_t most) : state_(std::make_shared<state>()) {
        (void)argument_check<T>{};
        state_->memory = queue_memory(most);
    }

    /// @returns false when the queue is full until the deadline
    bool put_until(const T& value, const Deadline& deadline, const char* call) const {
        queue_memory& memory = open(call);
        if constexpr (bitwise<T>) {
            return memory.put(
                sizeof(T),
                [&](std::byte* target) { std::memcpy(target, std::addressof(value), sizeof(T)); },
                deadline);
        } else if constexpr (Picklable<T>) {
            // User code runs here and not under the queue's lock.
            std::conditional_t<flat<T>, gathering_buffer, heap_buffer> buffer;
            const auto write = [&](std::byte* target) { buffer.copy_to(target); };
            if constexpr (flat<T>) {
                detail::save(buffer, value);
                return memory.put(buffer.whole_size(), write, deadline);
            } else {
                try {
                    detail::save(buffer, value);
                    if (memory.put(buffer.whole_size(), write, deadline))
                        return true;
                } catch (...) {
                    withdraw<T>(input_cursor(buffer.bytes()));
                    throw;
                }
                withdraw<T>(input_cursor(buffer.bytes()));
                return false;
            }
        } else {
            return false;
        }
    }
    /// @returns nothing when there is no item until the deadline
    std::optional<T> get_until(const Deadline& deadline, const char* call) const {
        queue_memory& memory = open(call);
        std::optional<T> value;
        if constexpr (flat<T>) {
            value.emplace();
            std::exception_ptr damage;
            const auto read = [&](std::span<const std::byte> bytes) {
                try {
                    load_whole(bytes, *value, call);
                } catch (const UnpicklingError&) {
                    damage = std::current_exception();
                }
            };
            if (!memory.get(read, deadline))
                return std::nullopt;
            if (damage)
                std::rethrow_exception(damage);
        } else if constexpr (Picklable<T>) {
            // User code runs when the item is out and the queue's lock is free.
            heap_buffer buffer;
            if (!memory.get([&](auto bytes) { buffer.append(bytes.data(), bytes.size()); },
                            deadline))
                return std::nullopt;
            load_whole(buffer.bytes(), value.emplace(), call);
        }
        return value;
    }

    [[nodiscard]] queue_memory& memory() const noexcept { return state_->memory; }
    void close_here() const noexcept { state_->closed = true; }
    [[nodiscard]] bool closed_here() const noexcept { return state_->closed; }

  private:
    struct state {
        queue_memory memory;
        std::atomic<bool> closed{false};
    };

    static void load_whole(std::span<const std::byte> bytes, T& value, const char* call) {
        input_cursor cursor(bytes);
        detail::load_into(cursor, value);
        if (cursor.remaining() != 0)
            throw UnpicklingError(std::string(call) + ": bytes are left after the item");
    }
    queue_memory& open(const char* call) const {
        if (state_->closed)
            throw ValueError(std::string(call) + ": the queue is closed");
        return state_->memory;
    }

    std::shared_ptr<state> state_;
};

inline std::string in_milliseconds(Timeout timeout) {
    return std::to_string(
               std::chrono::duration_cast<std::chrono::milliseconds>(timeout.count()).count()) +
           " ms";
}

}  // namespace detail

/// A queue of values between any number of processes and threads: each item goes to one taker, and
/// those of one putter keep their order.
///
/// A handle: copies name the same queue; it can be sent to any process. Items lie in shared memory:
/// put() returns when the item is there, no thread works behind it, and a process may end at any
/// moment. One that is killed inside put() or get() loses at most the item that it was moving.
/// @note An unlimited queue grows until memory is short; then put() throws std::system_error
///     (ENOSPC, ENOMEM). With 268,435,455 items any queue is full. A queue that gets empty gives
///     memory back when it has more than twice of what it keeps: 1 MiB and three times the largest
///     item lately, at most 256 MiB. Each queue takes one descriptor and 64 GiB of addresses, no
///     memory, in each process; where addresses or the sizes of files are limited, fewer, and it
///     holds no more than those.
/// @note Strings, vectors of plain elements and aggregates of such are copied straight into the
///     queue and out of it, everything else once more on each side.
/// @note Waiting calls throw KeyboardInterrupt under an InterruptGuard.
/// @par Python `multiprocessing.Queue`, without the feeder thread: items are there at once, so
///     `qsize`, `empty` and `full` are exact, joining a process that has put something never waits
///     for a reader, and a value that cannot be pickled throws in put().
template <class T>
class Queue : public detail::queue_handle<T> {
  public:
    /// Without a limit. @throws std::system_error as below
    Queue() : Queue(0) {}
    /// @param maxsize how many items it holds before put() waits; 0 or less: no limit
    /// @throws std::system_error when there is no descriptor or address space to be had
    explicit Queue(std::ptrdiff_t maxsize) : detail::queue_handle<T>(most(maxsize)) {}

    /// Appends a copy of the value; waits while the queue is full.
    /// @throws PicklingError, and what the value's `serialize` throws: then nothing was put
    /// @throws ValueError after close(); std::system_error when memory is short
    void put(const T& value) const { this->put_until(value, detail::Deadline(), "Queue.put"); }
    /// The same. @throws Full when there is no room within the timeout
    void put(const T& value, Timeout timeout) const {
        if (!this->put_until(value, detail::Deadline(timeout), "Queue.put"))
            throw Full("Queue.put: no room within " + detail::in_milliseconds(timeout));
    }
    /// The same; put_nowait() if `block` is false. @par Python `put(obj, block, timeout)`
    void put(const T& value, std::same_as<bool> auto block) const {
        block ? put(value) : put_nowait(value);
    }
    void put(const T& value, std::same_as<bool> auto block, Timeout timeout) const {
        block ? put(value, timeout) : put_nowait(value);
    }
    /// The same. @throws Full when there is no room now
    void put_nowait(const T& value) const {
        if (!this->put_until(value, detail::Deadline(std::chrono::seconds(0)), "Queue.put_nowait"))
            throw Full("Queue.put_nowait: the queue is full");
    }

    /// Takes the next item out; waits for one.
    /// @throws UnpicklingError when the item cannot be read: it is then gone; ValueError after
    ///     close()
    T get() const { return *this->get_until(detail::Deadline(), "Queue.get"); }
    /// The same. @throws Empty when nothing arrives within the timeout
    T get(Timeout timeout) const {
        if (auto item = this->get_until(detail::Deadline(timeout), "Queue.get"))
            return *std::move(item);
        throw Empty("Queue.get: nothing arrived in " + detail::in_milliseconds(timeout));
    }
    /// The same; get_nowait() if `block` is false. @par Python `get(block, timeout)`
    T get(std::same_as<bool> auto block) const { return block ? get() : get_nowait(); }
    T get(std::same_as<bool> auto block, Timeout timeout) const {
        return block ? get(timeout) : get_nowait();
    }
    /// The same. @throws Empty when there is nothing now
    T get_nowait() const {
        if (auto item =
                this->get_until(detail::Deadline(std::chrono::seconds(0)), "Queue.get_nowait"))
            return *std::move(item);
        throw Empty("Queue.get_nowait: the queue is empty");
    }

    /// How many items are in the queue at this moment.
    std::size_t qsize() const noexcept { return this->memory().size(); }
    bool empty() const noexcept { return qsize() == 0; }
    bool full() const noexcept { return qsize() >= this->memory().most(); }

    /// Ends put and get by this process, for all copies of the handle; other processes go on.
    void close() const noexcept { this->close_here(); }
    /// Returns at once: there is no thread. @throws ValueError before close()
    void join_thread() const {
        if (!this->closed_here())
            throw ValueError("Queue.join_thread: the queue is not closed");
    }
    /// Does nothing: what was put is there.
    void cancel_join_thread() const noexcept {}

  private:
    static std::uint32_t most(std::ptrdiff_t maxsize) noexcept {
        constexpr std::uint32_t highest = detail::queue_memory::highest;
        return maxsize <= 0 || static_cast<std::size_t>(maxsize) > highest
                   ? highest
                   : static_cast<std::uint32_t>(maxsize);
    }
};

/// A Queue whose items are work: who takes one says when it is done, and join() waits for all.
/// @note A process that is killed between get() and task_done() leaves its item undone: only
///     join(timeout) returns then.
/// @par Python `multiprocessing.JoinableQueue`
template <class T>
class JoinableQueue : public Queue<T> {
  public:
    using Queue<T>::Queue;

    /// One item that was taken out is done. @throws ValueError when all are
    void task_done() const {
        if (!this->memory().task_done())
            throw ValueError("JoinableQueue.task_done: called more often than items were put");
    }
    /// Waits until every item that was put is done.
    void join() const { this->memory().join(detail::Deadline()); }
    /// @returns false when the timeout passes before
    bool join(Timeout timeout) const { return this->memory().join(detail::Deadline(timeout)); }
};

/// A queue without a limit and without timeouts.
/// @par Python `multiprocessing.SimpleQueue`, whose put waits for a reader when its pipe is full;
///     this one's does not
template <class T>
class SimpleQueue : public detail::queue_handle<T> {
  public:
    SimpleQueue() : detail::queue_handle<T>(detail::queue_memory::highest) {}

    /// As Queue::put.
    void put(const T& value) const {
        this->put_until(value, detail::Deadline(), "SimpleQueue.put");
    }
    /// As Queue::get.
    T get() const { return *this->get_until(detail::Deadline(), "SimpleQueue.get"); }
    bool empty() const noexcept { return this->memory().size() == 0; }
    /// As Queue::close.
    void close() const noexcept { this->close_here(); }
};

}  // namespace v0
}  // namespace multiprocessing
