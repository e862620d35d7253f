// SPDX-License-Identifier: BSL-1.0
// The server's barriers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/object.hpp>
#include <multiprocessing/managers/protocol.hpp>
#include <multiprocessing/synchronize/action.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// A meeting point of a number of requests. A client that is gone while it waits no longer counts.
class barrier_object final : public managed_object {
  public:
    /// @param limit of a wait that names none
    barrier_object(std::uint32_t parties, action at_each_round, wait_time limit)
        : parties_(parties), action_(std::move(at_each_round)), limit_(limit) {}

    void handle(call& request) override {
        switch (request.what) {
            case verb::wait:
                return wait(request);
            case verb::abort:
                broken_ = true;
                return dismiss("BarrierProxy.wait: the barrier was aborted");
            case verb::clear:
                dismiss("BarrierProxy.wait: the barrier was reset");
                broken_ = false;
                return;
            case verb::size:
                return request.out.append_value(parties_);
            case verb::waiting:
                return request.out.append_value(static_cast<std::uint32_t>(waiting_.size()));
            case verb::get:
                return request.out.append_value(static_cast<std::uint8_t>(broken_ ? 1 : 0));
            default:
                refuse(request);
        }
    }
    void give_up(call& request, status why) override {
        waiting_.remove(request);
        if (why != status::nothing)
            return request.finish(why);
        broken_ = true;
        request.fail(BrokenBarrierError("BarrierProxy.wait: the time is over"));
        dismiss("BarrierProxy.wait: another party's time is over");
    }

  private:
    void wait(call& request) {
        const auto own_limit = request.in.read_value<std::uint8_t>();
        const auto limit = request.in.read_value<wait_time>();
        if (broken_)
            throw BrokenBarrierError("BarrierProxy.wait: the barrier is broken");
        if (waiting_.size() + 1 < parties_) {
            waiting_.add(request);
            return request.park(*this, own_limit != 0 ? limit : limit_);
        }
        try {
            action_();
        } catch (...) {
            broken_ = true;
            dismiss("BarrierProxy.wait: the action threw an exception");
            throw;
        }
        std::uint32_t place = 0;
        for (call* const waiter : waiting_.take_all()) {
            waiter->out.append_value(place++);
            waiter->finish();
        }
        request.out.append_value(place);
    }
    void dismiss(const char* text) {
        for (call* const waiter : waiting_.take_all())
            waiter->fail(BrokenBarrierError(text));
    }

    const std::uint32_t parties_;
    const action action_;
    const wait_time limit_;
    bool broken_ = false;
    waiting_line waiting_;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
