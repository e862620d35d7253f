// SPDX-License-Identifier: BSL-1.0
// The living children of this process, and what becomes of them when it exits or forks.
#pragma once

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/socket.hpp>
#include <multiprocessing/process/child.hpp>
#include <multiprocessing/process/process_server.hpp>
#include <multiprocessing/process/process_state.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

class child_list {
  public:
    static child_list& instance() {
        static auto& object = *new child_list;  // exit handlers still use it
        return object;
    }

    void add(std::shared_ptr<process_state> child) {
        const std::scoped_lock lock(mutex_);
        children_.push_back(std::move(child));
    }

    /// Forgets a child that has ended.
    void remove(const process_state& child) {
        const std::scoped_lock lock(mutex_);
        std::erase_if(children_, [&](const auto& one) { return one.get() == &child; });
    }

    /// The children that live; those that have ended are reaped and forgotten.
    std::vector<std::shared_ptr<process_state>> living() {
        std::vector<std::shared_ptr<process_state>> all;
        {
            const std::scoped_lock lock(mutex_);
            all = children_;
        }
        for (const auto& child : all)
            if (!child->alive())
                remove(*child);
        const std::scoped_lock lock(mutex_);
        return children_;
    }

    /// The line that a daemonic child hangs on; gone with the last of them.
    std::shared_ptr<life_line> life() {
        const std::scoped_lock lock(mutex_);
        auto life = life_.lock();
        if (!life)
            life_ = life = std::make_shared<life_line>();
        return life;
    }

  private:
    child_list() {
        process_server::instance();
        os::at_fork([] { instance().before_fork(); }, [] { instance().after_fork_in_parent(); },
                    [] { instance().after_fork_in_child(); });
        end_own_children = [] { instance().end_all(); };
        std::atexit([] { instance().end_all(); });
    }

    /// At exit, as Python: daemonic children are terminated, the others waited for.
    void end_all() noexcept {
        try {
            const auto children = living();
            for (const auto& child : children)
                if (child->daemon())
                    child->signal(SIGTERM);
            for (const auto& child : children)
                if (child->daemon())
                    child->finish();
            for (const auto& child : children)
                child->wait(Deadline());
        } catch (const std::exception& error) {
            os::print_error(std::string("multiprocessing: exit does not wait for children: ") +
                            error.what() + "\n");
        }
        process_server::instance().stop();
    }

    void before_fork() {
        mutex_.lock();
        process_server::instance().before_fork();
    }
    void after_fork_in_parent() {
        process_server::instance().after_fork_in_parent();
        mutex_.unlock();
    }
    void after_fork_in_child() {
        process_server::instance().after_fork_in_child();
        if (const auto life = life_.lock()) {  // only the parent may write
            life->reader.reset();
            life->writer.reset();
        }
        life_.reset();
        children_.clear();
        mutex_.unlock();
    }

    std::mutex mutex_;
    std::vector<std::shared_ptr<process_state>> children_;
    std::weak_ptr<life_line> life_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
