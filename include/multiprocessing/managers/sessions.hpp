// SPDX-License-Identifier: BSL-1.0
// All managers that this process is a client of; what happens to them when it forks or exits.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <multiprocessing/managers/session.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/process.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

class sessions {
  public:
    static sessions& instance() {
        static auto& object = *new sessions;  // exit handlers still use it
        return object;
    }

    /// The session with the server at an address: the one that there is, or a new one. It is asked
    /// for anew in either case whether the key is right.
    /// @throws as session
    std::shared_ptr<session> open(server_address to) {
        say_goodbye_at_exit();
        auto made = std::make_shared<session>(std::move(to));
        const std::scoped_lock lock(mutex_);
        std::erase_if(all_, [](const auto& each) { return each.expired(); });
        if (auto known = newest(made->server()); known && !known->broken())
            return known;
        all_.push_back(made);
        return made;
    }
    /// The session with that server, or a new one.
    /// @throws UnpicklingError when another server has the address now; as session
    std::shared_ptr<session> find_or_open(std::uint64_t server, const server_address& to) {
        if (auto known = find(server))
            return known;
        auto made = open(to);
        if (made->server() != server)
            throw UnpicklingError("unpickling: a proxy whose manager has ended");
        return made;
    }

    /// A child has handlers of its own, and none of its parent's.
    void say_goodbye_at_exit() {
        const unsigned now = os::fork_count() + 1;
        if (registered_.exchange(now) != now)
            std::atexit([] {
                for (const auto& each : instance().living())
                    each->say_goodbye();
            });
    }

    /// Has this process forget its parent's.
    void abandon_all() {
        for (const auto& each : living())
            each->abandon();
    }

  private:
    sessions() {
        os::at_fork([] { instance().before_fork(); }, [] { instance().after_fork_in_parent(); },
                    [] { instance().after_fork_in_child(); });
    }

    std::shared_ptr<session> find(std::uint64_t server) {
        const std::scoped_lock lock(mutex_);
        return newest(server);
    }
    /// @returns null when there is none
    /// @pre the mutex is locked
    [[nodiscard]] std::shared_ptr<session> newest(std::uint64_t server) const {
        for (auto each = all_.rbegin(); each != all_.rend(); ++each)
            if (auto one = each->lock(); one && one->server() == server)
                return one;
        return nullptr;
    }
    std::vector<std::shared_ptr<session>> living() {
        const std::scoped_lock lock(mutex_);
        return collect();
    }
    /// @pre the mutex is locked
    [[nodiscard]] std::vector<std::shared_ptr<session>> collect() const {
        std::vector<std::shared_ptr<session>> found;
        for (const auto& each : all_)
            if (auto one = each.lock())
                found.push_back(std::move(one));
        return found;
    }

    // Several threads may fork at the same time.
    void before_fork() {
        mutex_.lock();
        forking_ = collect();
        for (const auto& each : forking_)
            each->before_fork();
    }
    void after_fork_in_parent() {
        for (const auto& each : forking_)
            each->after_fork_in_parent();
        end_fork();
    }
    void after_fork_in_child() {
        for (const auto& each : forking_)
            each->after_fork_in_child();
        end_fork();
    }
    void end_fork() {
        const auto forked = std::exchange(forking_, {});  // the last ones go without the lock
        mutex_.unlock();
    }

    std::mutex mutex_;
    std::vector<std::weak_ptr<session>> all_;  // several of one server when the older are broken
    std::vector<std::shared_ptr<session>> forking_;
    std::atomic<unsigned> registered_{0};
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
