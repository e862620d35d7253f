// SPDX-License-Identifier: BSL-1.0
// The server's locks, semaphores, events and conditions: who waits is a parked request.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/object.hpp>
#include <multiprocessing/managers/protocol.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// A Lock, which anybody may release, or an RLock, which its holder takes and gives back again and
/// again.
class lock_object final : public managed_object {
  public:
    explicit lock_object(bool recursive) : recursive_(recursive) {}
    ~lock_object() override { set_owner({}); }

    [[nodiscard]] bool held_by(const lock_owner& who) const noexcept {
        return depth_ > 0 && owner_ == who;
    }

    /// How a request that had the lock and waited comes back to it.
    struct comeback {
        std::uint32_t depth = 1;
        status how = status::done;
    };
    /// Gives the lock away as a whole.
    /// @returns how often its holder had taken it
    std::uint32_t give_away() {
        const std::uint32_t depth = std::exchange(depth_, 0);
        set_owner({});
        pass_on();
        return depth;
    }
    /// The request gets the lock, at once or in its turn, and then its answer.
    void come_back(call& request, comeback as) {
        waiting_.push_back({&request, as, true});
        request.park(*this);
        pass_on();
    }

    void handle(call& request) override {
        switch (request.what) {
            case verb::acquire:
                return acquire(request);
            case verb::unlock:
                return release(request);
            case verb::get:
                return request.out.append_value(static_cast<std::uint8_t>(depth_ > 0 ? 1 : 0));
            default:
                refuse(request);
        }
    }
    void give_up(call& request, status why) override {
        for (waiter& each : waiting_) {
            if (each.request != &request)
                continue;
            if (each.had_it && !request.orphaned()) {  // it must not go on without the lock
                each.as.how = why;
                return;
            }
            break;
        }
        std::erase_if(waiting_, [&](const waiter& each) { return each.request == &request; });
        request.finish(why);
    }

    /// A client that held it is gone.
    /// @param orderly it left the lock on purpose, for others to release: as an RLock nobody could
    void holder_ended(bool orderly) {
        if (orderly && !recursive_) {
            owner_ = {};
            return;
        }
        depth_ = 0;
        owner_ = {};
        orphaned_ = true;
        pass_on();
    }

  private:
    struct waiter {
        call* request;
        comeback as;
        bool had_it;
    };

    void set_owner(const lock_owner& who) {
        if (owner_.session != nullptr)
            owner_.session->locked.erase(this);
        owner_ = who;
        if (who.session != nullptr)
            who.session->locked.insert(this);
    }
    void acquire(call& request) {
        const auto limit = request.in.read_value<wait_time>();
        if (recursive_ && held_by(request.caller())) {
            ++depth_;
            return;
        }
        if (depth_ > 0 && limit == 0)
            return request.finish(status::nothing);
        waiting_.push_back({&request, {}, false});
        request.park(*this, limit);
        pass_on();
    }
    void release(call& request) {
        if (depth_ == 0)
            throw ValueError("LockProxy.release: the lock is not locked");
        if (recursive_ && !held_by(request.caller()))
            throw ValueError("RLockProxy.release: the caller does not hold the lock");
        if (--depth_ > 0)
            return;
        set_owner({});
        pass_on();
    }
    /// A free lock goes to the first who waits; that a holder died, the first hears instead.
    void pass_on() {
        while (depth_ == 0 && !waiting_.empty()) {
            const waiter next = waiting_.front();
            waiting_.erase(waiting_.begin());
            const bool take = !orphaned_ || next.had_it;
            if (take) {
                depth_ = next.as.depth;
                set_owner(next.request->caller());
            }
            if (std::exchange(orphaned_, false))
                next.request->fail(OwnerDiedError("a process that held the lock has died"));
            else
                next.request->finish(next.as.how);
        }
    }

    const bool recursive_;
    bool orphaned_ = false;
    std::uint32_t depth_ = 0;
    lock_owner owner_;
    std::vector<waiter> waiting_;
};

/// A number of permits. What a client has taken stays taken when it is gone.
class semaphore_object final : public managed_object {
  public:
    semaphore_object(std::uint32_t value, std::uint32_t most) : value_(value), most_(most) {}

    void handle(call& request) override {
        switch (request.what) {
            case verb::acquire: {
                const auto limit = request.in.read_value<wait_time>();
                if (value_ > 0) {
                    --value_;
                } else if (limit == 0) {
                    request.finish(status::nothing);
                } else {
                    waiting_.add(request);
                    request.park(*this, limit);
                }
                return;
            }
            case verb::unlock: {
                const auto count = request.in.read_value<std::uint32_t>();
                if (count > most_ - value_)
                    throw ValueError("SemaphoreProxy.release: called too often");
                for (value_ += count; value_ > 0 && !waiting_.empty(); --value_)
                    waiting_.take_first().finish();
                return;
            }
            case verb::get:
                return request.out.append_value(value_);
            default:
                refuse(request);
        }
    }
    void give_up(call& request, status why) override {
        waiting_.remove(request);
        request.finish(why);
    }

  private:
    std::uint32_t value_;
    const std::uint32_t most_;
    waiting_line waiting_;
};

class event_object final : public managed_object {
  public:
    void handle(call& request) override {
        switch (request.what) {
            case verb::get:
                return request.out.append_value(static_cast<std::uint8_t>(set_ ? 1 : 0));
            case verb::set:
                set_ = true;
                for (call* const waiter : waiting_.take_all())
                    waiter->finish();
                return;
            case verb::clear:
                set_ = false;
                return;
            case verb::wait: {
                const auto limit = request.in.read_value<wait_time>();
                if (set_)
                    return;
                if (limit == 0)
                    return request.finish(status::nothing);
                waiting_.add(request);
                return request.park(*this, limit);
            }
            default:
                refuse(request);
        }
    }
    void give_up(call& request, status why) override {
        waiting_.remove(request);
        request.finish(why);
    }

  private:
    bool set_ = false;
    waiting_line waiting_;
};

/// Waiting, under a lock, for a notification.
class condition_object final : public managed_object {
  public:
    explicit condition_object(std::shared_ptr<lock_object> lock) : lock_(std::move(lock)) {}

    void handle(call& request) override {
        switch (request.what) {
            case verb::acquire:
            case verb::unlock:
                return lock_->handle(request);
            case verb::wait: {
                require_held(request, "ConditionProxy.wait");
                const auto limit = request.in.read_value<wait_time>();
                waiting_.push_back({&request, lock_->give_away()});
                return request.park(*this, limit);
            }
            case verb::notify: {
                require_held(request, "ConditionProxy.notify");
                for (auto left = request.in.read_value<std::uint64_t>();
                     left > 0 && !waiting_.empty(); --left)
                    wake(waiting_.front(), status::done);
                return;
            }
            default:
                refuse(request);
        }
    }
    void give_up(call& request, status why) override {
        for (const waiter& each : waiting_)
            if (each.request == &request) {
                if (!request.orphaned())
                    return wake(each, why);
                std::erase_if(waiting_, [&](const waiter& one) { return one.request == &request; });
                return;
            }
    }

  private:
    struct waiter {
        call* request;
        std::uint32_t depth;
    };

    void require_held(const call& request, const char* what) const {
        if (!lock_->held_by(request.caller()))
            throw ValueError(std::string(what) + ": the caller does not hold the lock");
    }
    /// Who waited long enough goes on when it has the lock again.
    void wake(waiter one, status how) {
        std::erase_if(waiting_, [&](const waiter& each) { return each.request == one.request; });
        lock_->come_back(*one.request, {one.depth, how});
    }

    const std::shared_ptr<lock_object> lock_;
    std::vector<waiter> waiting_;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
