// SPDX-License-Identifier: BSL-1.0
// The server's queues, each also a JoinableQueue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/object.hpp>
#include <multiprocessing/managers/protocol.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

class queue_object final : public managed_object {
  public:
    /// @param most 0: no limit
    explicit queue_object(std::uint64_t most) : most_(most) {}

    void handle(call& request) override {
        switch (request.what) {
            case verb::put:
                return put(request);
            case verb::get:
                return get(request);
            case verb::size:
                request.out.append_value(static_cast<std::uint64_t>(items_.size()));
                request.out.append_value(most_);
                return;
            case verb::done:
                if (unfinished_ == 0)
                    throw ValueError("QueueProxy.task_done: called more often than items were put");
                if (--unfinished_ == 0)
                    for (call* const waiter : joining_.take_all())
                        waiter->finish();
                return;
            case verb::join: {
                const auto limit = request.in.read_value<wait_time>();
                if (unfinished_ == 0)
                    return;
                if (limit == 0)
                    return request.finish(status::nothing);
                joining_.add(request);
                return request.park(*this, limit);
            }
            default:
                refuse(request);
        }
    }
    void give_up(call& request, status why) override {
        if (!putting_.remove(request) && !getting_.remove(request))
            joining_.remove(request);
        request.finish(why);
    }

  private:
    [[nodiscard]] bool full() const noexcept { return most_ != 0 && items_.size() >= most_; }

    void add(stored_value value) {
        ++unfinished_;
        items_.push_back(std::move(value));
    }
    // A parked put keeps its arguments: its value is taken when there is room.
    void put(call& request) {
        const auto limit = request.in.read_value<wait_time>();
        if (full() && limit == 0)
            return request.finish(status::nothing);
        if (full()) {
            putting_.add(request);
            return request.park(*this, limit);
        }
        add(request.take_value());
        if (!getting_.empty())
            take(getting_.take_first()).finish();
    }
    void get(call& request) {
        const auto limit = request.in.read_value<wait_time>();
        if (items_.empty() && limit == 0)
            return request.finish(status::nothing);
        if (items_.empty()) {
            getting_.add(request);
            return request.park(*this, limit);
        }
        take(request);
        while (!full() && !putting_.empty()) {
            call& putter = putting_.take_first();
            try {
                add(putter.take_value());
                putter.finish();
            } catch (...) {
                putter.fail(std::current_exception());
            }
        }
    }
    call& take(call& request) {
        request.give(items_.front());
        items_.pop_front();
        return request;
    }

    const std::uint64_t most_;
    std::uint64_t unfinished_ = 0;
    std::deque<stored_value> items_;
    waiting_line putting_;
    waiting_line getting_;
    waiting_line joining_;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
