// SPDX-License-Identifier: BSL-1.0
// QueueProxy: a queue in a manager's server.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/managers/proxy.hpp>

namespace multiprocessing {
inline namespace v0 {

/// A queue of values in a manager's server, which all processes that reach it share, also those of
/// other machines. It is a JoinableQueue, too.
///
/// A handle, as DictProxy is; see there. An item whose taker dies before it has it is gone, as one
/// that it had taken.
/// @par Python the proxies of `queue.Queue` that `SyncManager.Queue` and `JoinableQueue` make
template <class T>
class QueueProxy : public detail::managed::proxy<QueueProxy<T>> {
    using verb = detail::managed::verb;

  public:
    using value_type = T;

    /// Names no queue, until one is assigned.
    QueueProxy() { (void)detail::argument_check<T>{}; }

    /// Appends a copy of the value; waits while the queue is full.
    /// @throws PicklingError, and what the value's `serialize` throws: then nothing was put
    void put(const T& value) const { put_for(value, std::nullopt); }
    /// The same. @throws Full when there is no room within the timeout
    void put(const T& value, Timeout timeout) const {
        if (!put_for(value, timeout))
            throw Full("QueueProxy.put: no room in time");
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
        if (!put_for(value, Timeout(std::chrono::seconds(0))))
            throw Full("QueueProxy.put_nowait: the queue is full");
    }

    /// Takes the next item out; waits for one.
    /// @throws UnpicklingError when the item cannot be read: it is then gone
    T get() const { return *get_for(std::nullopt); }
    /// The same. @throws Empty when nothing arrives within the timeout
    T get(Timeout timeout) const {
        if (auto item = get_for(timeout))
            return *std::move(item);
        throw Empty("QueueProxy.get: nothing arrived in time");
    }
    /// The same; get_nowait() if `block` is false. @par Python `get(block, timeout)`
    T get(std::same_as<bool> auto block) const { return block ? get() : get_nowait(); }
    T get(std::same_as<bool> auto block, Timeout timeout) const {
        return block ? get(timeout) : get_nowait();
    }
    /// The same. @throws Empty when there is nothing now
    T get_nowait() const {
        if (auto item = get_for(Timeout(std::chrono::seconds(0))))
            return *std::move(item);
        throw Empty("QueueProxy.get_nowait: the queue is empty");
    }

    /// How many items are in the queue at this moment.
    [[nodiscard]] std::size_t qsize() const { return sizes().now; }
    [[nodiscard]] bool empty() const { return qsize() == 0; }
    [[nodiscard]] bool full() const {
        const auto [now, most] = sizes();
        return most != 0 && now >= most;
    }

    /// One item that was taken out is done. @throws ValueError when all are
    void task_done() const { this->ask(verb::done).send(); }
    /// Waits until every item that was put is done.
    void join() const { this->ask(verb::join).time(std::nullopt).send(); }
    /// @returns false when the timeout passes before
    bool join(Timeout timeout) const { return this->ask(verb::join).time(timeout).send().done(); }

  private:
    struct size_and_most {
        std::uint64_t now;
        std::uint64_t most;
    };
    [[nodiscard]] size_and_most sizes() const {
        auto both = this->ask(verb::size).send();
        const auto now = both.template number<std::uint64_t>();
        return {now, both.template number<std::uint64_t>()};
    }
    bool put_for(const T& value, std::optional<Timeout> timeout) const {
        return this->ask(verb::put).time(timeout).value(value).send().done();
    }
    [[nodiscard]] std::optional<T> get_for(std::optional<Timeout> timeout) const {
        auto item = this->ask(verb::get).time(timeout).send();
        return item.done() ? std::optional<T>(item.template value<T>()) : std::nullopt;
    }
};

}  // namespace v0
}  // namespace multiprocessing
