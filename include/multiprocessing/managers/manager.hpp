// SPDX-License-Identifier: BSL-1.0
// SyncManager, which makes dictionaries, lists, queues and locks in its server, and Manager, which
// is a SyncManager that runs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <ranges>
#include <utility>

#include <multiprocessing/core/count.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/managers/base_manager.hpp>
#include <multiprocessing/managers/dict_proxy.hpp>
#include <multiprocessing/managers/list_proxy.hpp>
#include <multiprocessing/managers/lock_proxy.hpp>
#include <multiprocessing/managers/queue_proxy.hpp>
#include <multiprocessing/managers/value_proxy.hpp>
#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/synchronize/action.hpp>

namespace multiprocessing {
inline namespace v0 {

/// A manager of the usual objects. Each call makes one in the server, which lives while anybody
/// has its proxy.
/// @note All calls throw ValueError before start() or connect() and after shutdown(), and EOFError
///     when the server is gone.
/// @par Python `multiprocessing.managers.SyncManager`; `Pool` is missing: a pool's handle cannot
///     leave its process here
class SyncManager : public BaseManager {
    using kind = detail::managed::object_kind;
    using request = detail::managed::request;

  public:
    using BaseManager::BaseManager;

    template <class K, class V>
    DictProxy<K, V> dict(std::initializer_list<std::pair<const K, V>> pairs = {}) const {
        return dict_of<K, V>(pairs);
    }
    /// @param pairs a range of pairs: a std::map, a vector of pairs
    template <class K, class V, std::ranges::input_range Pairs>
    DictProxy<K, V> dict(Pairs&& pairs) const {
        return dict_of<K, V>(pairs);
    }
    template <class T>
    ListProxy<T> list(std::initializer_list<T> values = {}) const {
        return row_of<ListProxy<T>, T>(kind::list, values);
    }
    template <class T, std::ranges::input_range Values>
    ListProxy<T> list(Values&& values) const {
        return row_of<ListProxy<T>, T>(kind::list, values);
    }
    /// `size` values like `T{}`. @throws ValueError for a negative size
    template <class T>
    ArrayProxy<T> Array(Count size) const {
        const auto number = size.at_least(0, "SyncManager.Array: size");
        return row_of<ArrayProxy<T>, T>(
            kind::array, std::views::iota(std::uint64_t{0}, number) |
                             std::views::transform([](std::uint64_t) { return T{}; }));
    }
    template <class T>
    ArrayProxy<T> Array(std::initializer_list<T> values) const {
        return row_of<ArrayProxy<T>, T>(kind::array, values);
    }
    template <class T, std::ranges::input_range Values>
    ArrayProxy<T> Array(Values&& values) const {
        return row_of<ArrayProxy<T>, T>(kind::array, values);
    }
    template <class T>
    ValueProxy<T> Value(const T& value = T{}) const {
        return row_of<ValueProxy<T>, T>(kind::array, std::views::single(value));
    }
    NamespaceProxy Namespace() const {
        return make<NamespaceProxy>(kind::dict, [](request& ask) { ask.number(std::uint64_t{0}); });
    }

    LockProxy Lock() const { return plain<LockProxy>(kind::lock); }
    RLockProxy RLock() const { return plain<RLockProxy>(kind::rlock); }
    /// @param value the free permits, 0 to 2147483647. @throws ValueError for another number
    SemaphoreProxy Semaphore(Count value = 1) const {
        return semaphore(permits(value), most_permits);
    }
    /// A Semaphore that never has more permits than at first.
    SemaphoreProxy BoundedSemaphore(Count value = 1) const {
        return semaphore(permits(value), permits(value));
    }
    EventProxy Event() const { return plain<EventProxy>(kind::event); }
    /// A condition with an RLock of its own.
    ConditionProxy Condition() const { return condition(0); }
    /// A condition under a lock of the same manager.
    ConditionProxy Condition(const LockProxy& lock) const {
        return condition(lock.referred().id());
    }
    ConditionProxy Condition(const RLockProxy& lock) const {
        return condition(lock.referred().id());
    }
    /// @param parties how many meet, at least 1
    /// @param action called in the server once a round, before the parties go on; a function or a
    ///     lambda without captures
    /// @param timeout that of wait() without one; none by default
    BarrierProxy Barrier(Count parties, detail::action action = {},
                         std::optional<Timeout> timeout = std::nullopt) const {
        const auto number =
            std::min<std::uint64_t>(parties.at_least(1, "SyncManager.Barrier: parties"),
                                    std::numeric_limits<std::uint32_t>::max());
        return make<BarrierProxy>(kind::barrier, [&](request& ask) {
            ask.number(static_cast<std::uint32_t>(number)).time(timeout);
            ask.data([&](detail::output_buffer& out) { detail::save(out, action); });
        });
    }
    /// @param maxsize how many items it holds before put() waits; 0 or less: no limit
    template <class T>
    QueueProxy<T> Queue(std::ptrdiff_t maxsize = 0) const {
        return make<QueueProxy<T>>(kind::queue, [&](request& ask) {
            ask.number(static_cast<std::uint64_t>(std::max<std::ptrdiff_t>(maxsize, 0)));
        });
    }
    /// The same: each QueueProxy has `task_done` and `join`.
    template <class T>
    QueueProxy<T> JoinableQueue(std::ptrdiff_t maxsize = 0) const {
        return Queue<T>(maxsize);
    }

  private:
    static constexpr std::uint32_t most_permits = std::numeric_limits<std::int32_t>::max();

    template <class K, class V, class Pairs>
    DictProxy<K, V> dict_of(Pairs&& pairs) const {
        return make<DictProxy<K, V>>(
            kind::dict, [&](request& ask) { DictProxy<K, V>::write_pairs(ask, pairs); });
    }
    template <class Proxy, class T, class Values>
    Proxy row_of(kind what, Values&& values) const {
        return make<Proxy>(what, [&](request& ask) { ask.template values<T>(values); });
    }
    template <class Proxy>
    Proxy plain(kind what) const {
        return make<Proxy>(what, [](request&) {});
    }
    static std::uint32_t permits(Count value) {
        const auto number = value.at_least(0, "SyncManager.Semaphore: value");
        if (number > most_permits)
            throw ValueError("SyncManager.Semaphore: value must be at most 2147483647");
        return static_cast<std::uint32_t>(number);
    }
    SemaphoreProxy semaphore(std::uint32_t value, std::uint32_t most) const {
        return make<SemaphoreProxy>(kind::semaphore,
                                    [&](request& ask) { ask.number(value).number(most); });
    }
    ConditionProxy condition(detail::managed::object_id lock) const {
        return make<ConditionProxy>(kind::condition, [&](request& ask) { ask.number(lock); });
    }
};

/// A SyncManager whose server process runs.
/// @par Python `multiprocessing.Manager()`
class Manager : public SyncManager {
  public:
    /// Starts the server process. @throws as BaseManager::start
    explicit Manager(ManagerOptions options = {}) : SyncManager(std::move(options)) { start(); }

    /// Connects to a manager that another program, or this one, has started.
    /// @throws as BaseManager::connect
    static Manager connect(ManagerOptions options) {
        return Manager(SyncManager(std::move(options)));
    }

  private:
    explicit Manager(SyncManager manager) : SyncManager(std::move(manager)) {
        SyncManager::connect();
    }
};

}  // namespace v0
}  // namespace multiprocessing
