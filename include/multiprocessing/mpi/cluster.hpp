// SPDX-License-Identifier: BSL-1.0
// The other ranks as the jobs of rank 0 see them: an executor like the engine of a pool.
//
// One lock guards the scheduler, and with it MPI, which needs to serve one thread at a time alone
// (MPI_THREAD_SERIALIZED). Whoever holds it pumps: a thread that submits, when a rank could take
// more; a thread that waits, until its result is there; a thread of the cluster's own when nobody
// else does, which also runs the callbacks.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/mpi/mailbox.hpp>
#include <multiprocessing/mpi/pace.hpp>
#include <multiprocessing/mpi/rank_scheduler.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/pool/inbox_executor.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/process/identity.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @note Any thread of rank 0.
class cluster final : public inbox_executor {
  public:
    /// @param processes of each rank that carry out calls; 0: the rank itself does
    static std::shared_ptr<cluster> make(mailbox box, std::size_t processes) {
        const std::shared_ptr<cluster> made(new cluster(std::move(box), processes));
        const os::blocked_signals blocked;  // the application's signals go to its own threads
        ++library_threads();
        try {
            made->thread_ = std::thread([made, mask = blocked.application()] {
                os::keep_application_mask(mask);
                made->serve();
            });
        } catch (...) {
            --library_threads();
            throw;
        }
        return made;
    }
    cluster(const cluster&) = delete;
    cluster& operator=(const cluster&) = delete;
    ~cluster() override = default;

    [[nodiscard]] std::size_t workers() const noexcept { return scheduler_.workers(); }

    bool wait(const std::atomic<bool>& ready, Deadline deadline) override {
        if (ready.load(std::memory_order_acquire))
            return true;
        refuse_if_forked();
        const bool own = std::this_thread::get_id() == thread_.get_id();
        pace idle;
        std::unique_lock lock(lock_);
        ++waiters_;
        for (;;) {
            const bool moved = pump();
            if ((own && serve_nested(lock)) || moved)
                idle.reset();
            if (ready.load(std::memory_order_acquire) || deadline.expired())
                break;
            if (interrupt_pending.load(std::memory_order_relaxed)) {
                --waiters_;
                lock.unlock();
                check_interrupt();
                lock.lock();
                ++waiters_;
            }
            if (!moved)
                rest(lock, idle, deadline);
        }
        --waiters_;
        if (waiting_ != 0)
            news_.notify_one();  // another thread may attend
        return ready.load(std::memory_order_acquire);
    }
    void look() override {
        refuse_if_forked();
        const std::unique_lock lock(lock_, std::try_to_lock);
        if (lock.owns_lock())
            pump();
    }

    /// @note What a rank executes, it goes on with.
    bool cancel(job& given) override {
        refuse_if_forked();
        const job_ref owner(static_cast<remote_job*>(&given));
        const std::scoped_lock lock(lock_);
        pump();
        const bool cancelled = scheduler_.cancel(owner);
        announce();
        return cancelled;
    }
    void abandon(job& dropped) noexcept override {
        if (forked())
            return;
        const std::scoped_lock lock(lock_);
        dropped.reject_rest(nullptr);
        dropped.release_inputs();
    }

    /// No more calls; the ranks are dismissed when everything submitted is done, and no input is
    /// open.
    void close() noexcept {
        if (forked())
            return;
        inbox_.close();
        wake();
    }
    /// No more calls; those that are not done fail with CancelledError. What the ranks execute,
    /// they go on with; workers of theirs are killed.
    void terminate() noexcept {
        if (forked())
            return;
        inbox_.seal();
        terminating_.store(true, std::memory_order_release);
        wake();
    }
    /// Waits until all ranks are dismissed; nothing more is drawn from inputs that are open.
    /// @throws ValueError while it is running; KeyboardInterrupt
    void join() {
        refuse_if_forked();
        if (!inbox_.closed())
            throw ValueError("Pool is still running: close() or terminate() it before join()");
        if (std::this_thread::get_id() == thread_.get_id())
            throw ValueError("Pool.join: a callback cannot wait for its own pool");
        inbox_.seal();
        std::unique_lock lock(lock_);
        service_.notify_one();
        while (!ended_) {
            ++waiting_;
            news_.wait_for(lock, wait_slice);
            --waiting_;
            if (interrupt_pending.load(std::memory_order_relaxed)) {
                lock.unlock();
                check_interrupt();
                lock.lock();
            }
        }
    }
    /// terminate and join; MPI is not used any more when it returns.
    void dismiss() noexcept {
        if (forked())
            return;
        terminate();
        if (thread_.joinable())
            thread_.join();
    }
    /// After dismiss(): why the ranks could not be told to end; null when they were.
    [[nodiscard]] std::exception_ptr failure() const noexcept { return scheduler_.failure(); }

  private:
    cluster(mailbox box, std::size_t processes) : scheduler_(std::move(box), processes, inbox_) {}

    void on_put() override {
        if (!hungry_.load(std::memory_order_acquire))
            return;  // who collects the next answer looks into the inbox
        std::unique_lock lock(lock_, std::try_to_lock);
        if (lock.owns_lock()) {
            scheduler_.push();
            announce();
        }
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (dozing_.load(std::memory_order_relaxed)) {
            if (!lock.owns_lock())
                lock.lock();  // whoever holds it may not look into the inbox again
            service_.notify_one();
        }
    }
    void on_complete() noexcept override { wake(); }
    void wake() noexcept {
        const std::scoped_lock lock(lock_);
        service_.notify_one();
    }

    // ---- under the lock

    /// Takes in one message, if there is one, and sends what can be sent. @returns whether it did
    bool pump() noexcept {
        if (ended_)  // MPI may have ended, too
            return false;
        const bool moved = scheduler_.pump();
        announce();
        return moved;
    }
    /// Makes settled jobs ready; those with callbacks first have them run by the cluster's thread.
    void announce() noexcept {
        hungry_.store(scheduler_.hungry(), std::memory_order_release);
        if (!scheduler_.has_done())
            return;
        scheduler_.take_done(announced_);
        for (job_ref& done : announced_) {
            done->release_inputs();
            if (done->has_callback()) {
                calling_back_.push_back(std::move(done));
                service_.notify_one();
                if (waiting_ != 0)
                    news_.notify_all();  // the thread that calls back may wait in a callback
            } else {
                make_ready(*done);
            }
        }
        announced_.clear();
    }
    void make_ready(remote_job& done) noexcept {
        done.set_ready();
        if (waiting_ != 0)
            news_.notify_all();
    }

    // ---- waiting

    /// Nothing moved: one thread looks again soon, the others wait until it says something.
    void rest(std::unique_lock<std::mutex>& lock, pace& idle, Deadline deadline) {
        if (attended_) {
            ++waiting_;
            news_.wait_for(lock, deadline.remaining());
            --waiting_;
            return;
        }
        attended_ = true;
        lock.unlock();
        const auto pause = idle.next();
        if (pause != std::chrono::nanoseconds::zero())
            std::this_thread::sleep_for(deadline.remaining(pause));
        lock.lock();
        attended_ = false;
    }

    // ---- the cluster's own thread

    void serve() noexcept {
        pace idle;
        std::unique_lock lock(lock_);
        for (;;) {
            if (call_back(lock))
                continue;
            if (terminating_.load(std::memory_order_acquire)) {
                reject_everything();
                if (calling_back_.empty())
                    break;
                continue;
            }
            if (waiters_ != 0) {  // they do the work: this thread would only be in their way
                service_.wait_for(lock, pace::longest);
                continue;
            }
            if (pump()) {
                idle.reset();
                continue;
            }
            if (inbox_.complete() && calling_back_.empty() && scheduler_.all_done())
                break;
            if (idle.rested() && !scheduler_.expects_mail()) {
                doze(lock);
                continue;
            }
            lock.unlock();
            const auto pause = idle.next();
            lock.lock();
            if (pause != std::chrono::nanoseconds::zero() && calling_back_.empty())
                service_.wait_for(lock, pause);
        }
        dismiss_ranks(lock);
        ended_ = true;
        --library_threads();
        news_.notify_all();
    }
    /// Nothing comes that was not submitted first.
    void doze(std::unique_lock<std::mutex>& lock) {
        dozing_.store(true, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (!inbox_.filled() && calling_back_.empty())
            service_.wait_for(lock, std::chrono::seconds(1));
        dozing_.store(false, std::memory_order_relaxed);
    }
    /// A callback waits for another call: meanwhile its thread goes on with its work.
    bool serve_nested(std::unique_lock<std::mutex>& lock) noexcept {
        if (terminating_.load(std::memory_order_acquire))
            reject_everything();
        return call_back(lock);
    }
    void reject_everything() noexcept {
        scheduler_.reject_everything();
        announce();
    }
    /// One callback at a time: one that waits for another call runs the later ones itself.
    bool call_back(std::unique_lock<std::mutex>& lock) noexcept {
        const bool any = !calling_back_.empty();
        while (!calling_back_.empty()) {
            const job_ref done = std::move(calling_back_.front());
            calling_back_.pop_front();
            lock.unlock();
            done->run_callback();
            lock.lock();
            make_ready(*done);
        }
        return any;
    }
    /// Tells all ranks to stop and waits for the last message of each.
    void dismiss_ranks(std::unique_lock<std::mutex>& lock) noexcept {
        scheduler_.dismiss_ranks();
        pace idle;
        while (!scheduler_.ranks_gone()) {
            if (pump()) {
                idle.reset();
                continue;
            }
            const auto pause = idle.next();
            lock.unlock();
            std::this_thread::sleep_for(pause);
            lock.lock();
        }
    }

    std::atomic<bool> hungry_{true};  // some rank could take more than there is
    std::atomic<bool> terminating_{false};

    std::mutex lock_;  // guards everything below
    std::condition_variable news_, service_;
    rank_scheduler scheduler_;
    std::vector<job_ref> announced_;  // of use inside announce() alone
    std::deque<job_ref> calling_back_;
    std::size_t waiters_ = 0;          // threads that wait for results
    std::size_t waiting_ = 0;          // threads that sleep until there is news_
    bool attended_ = false;            // one that waits for a result looks for messages
    std::atomic<bool> dozing_{false};  // the cluster's own thread expects nothing
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
