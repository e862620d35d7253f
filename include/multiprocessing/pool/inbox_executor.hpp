// SPDX-License-Identifier: BSL-1.0
// How executors whose work is done in other processes, be they workers or ranks, take jobs over.
#pragma once

#include <span>

#include <multiprocessing/pool/inbox.hpp>
#include <multiprocessing/pool/job.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @note Any thread of the process that made it. In a forked copy nothing is taken.
class inbox_executor : public executor {
  public:
    /// @throws ValueError after close(), or whatever made the pool unusable
    void check_running() const { inbox_.check_running(); }

    void submit(std::span<counted<job>> work) final { take_over(work, false); }
    void submit_drawn(std::span<counted<job>> work) final { take_over(work, true); }
    void open_input() final {
        refuse_if_forked();
        inbox_.open_input();
    }
    void close_input() noexcept final {
        if (forked())
            return;
        inbox_.close_input();
        if (inbox_.complete())
            on_complete();
    }

  protected:
    /// Something was put into the inbox.
    virtual void on_put() = 0;
    /// Nothing will be put into it any more.
    virtual void on_complete() noexcept = 0;

    inbox inbox_;

  private:
    void take_over(std::span<counted<job>> work, bool drawn) {
        if (work.empty())
            return;
        refuse_if_forked();
        inbox_.put(work, drawn);
        on_put();
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
