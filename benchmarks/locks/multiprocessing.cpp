// SPDX-License-Identifier: BSL-1.0
// Locks: one that nobody else wants, one that up to eight processes want, how soon an Event wakes
// who waits for it, a turn that a Condition hands over, rounds of a Barrier; beside some of them,
// in turn, what the C library and the kernel offer.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <multiprocessing.hpp>

#include "bare.hpp"
#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

/// Nanoseconds for taking the lock and giving it back. @param times how often in one sample
template <class Lock>
double uncontended(Lock& lock, int times) {
    return each(times, [&] {
        lock.lock();
        lock.unlock();
    });
}

/// In turn, so that what slows the machine down slows all of them.
void measure_uncontended(int times) {
    const mp::Lock lock;
    const mp::RLock recursive;
    const auto robust = shared<RobustMutex>();
    std::vector<double> of_lock, of_recursive, of_robust;
    for (int round = 0; round < 15; ++round) {
        of_lock.push_back(uncontended(lock, times));
        of_recursive.push_back(uncontended(recursive, times));
        of_robust.push_back(uncontended(*robust, times));
    }
    report("uncontended", median(of_lock), "ns");
    report("uncontended_rlock", median(of_recursive), "ns");
    report("robust_mutex", median(of_robust), "ns");
}

/// Nanoseconds an increment, both processes at it.
void measure_increments(int times) {
    const mp::Value<std::int64_t> counter(0);
    const auto count = [=] {
        for (int i = 0; i < times; ++i) {
            const std::scoped_lock guard(counter.get_lock());
            counter.value() += 1;
        }
    };
    mp::Process first(count);
    mp::Process second(count);
    const double time = seconds([&] {
        first.start();
        second.start();
        first.join();
        second.join();
    });
    require(counter.value() == std::int64_t{2} * times, "increments");
    report("increments", time * 1e9 / (2.0 * times), "ns");
}

/// A process that waits again and again, and notes when it was woken.
struct Woken {
    std::atomic<int> round{0};
    std::atomic<Clock::rep> at{0};
};

template <class Event>
class Waiter {
  public:
    Waiter(Event& event, int rounds)
        : event_(event), woken_(shared<Woken>()), process_([this, rounds] {
              for (int i = 1; i <= rounds; ++i) {
                  event_.wait();
                  woken_->at = Clock::now().time_since_epoch().count();
                  event_.clear();
                  woken_->round = i;
              }
          }) {
        process_.start();
    }

    /// Microseconds from before the event is set to after the wait.
    double wake() {
        const int before = woken_->round;
        std::this_thread::sleep_for(std::chrono::microseconds(300));  // it sleeps, too
        const auto start = Clock::now();
        event_.set();
        while (woken_->round == before)
            std::this_thread::yield();
        return std::chrono::duration<double, std::micro>(Clock::duration(woken_->at.load()) -
                                                         start.time_since_epoch())
            .count();
    }

  private:
    Event& event_;
    std::shared_ptr<Woken> woken_;
    mp::Process process_;
};

void measure_wake_up(int rounds) {
    const mp::Event event;
    const auto futex = shared<FutexEvent>();
    Waiter by_event(event, rounds);
    Waiter by_futex(*futex, rounds);
    std::vector<double> of_event, of_futex;
    for (int i = 0; i < rounds; ++i) {
        of_event.push_back(by_event.wake());
        of_futex.push_back(by_futex.wake());
    }
    report("wake_up", median(of_event), "us");
    report("futex_wake_up", median(of_futex), "us");
}

class LockedCounter {
  public:
    void increment() const {
        const std::scoped_lock guard(count_.get_lock());
        count_.value() += 1;
    }
    [[nodiscard]] std::int64_t read() const { return count_.value(); }

  private:
    mp::Value<std::int64_t> count_{0};
};

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (options.wants("uncontended"))
        measure_uncontended(options.size(1'000'000, 1000));
    if (options.wants("increments"))
        measure_increments(options.size(1'000'000, 1000));
    if (options.wants("wake_up"))
        measure_wake_up(options.size(1500, 20));
    measure_contention(options, "contention", [] { return LockedCounter(); });
    const int times = options.size(1'000'000, 1000);
    if (options.wants("semaphore")) {
        const mp::Semaphore semaphore(1);
        report("semaphore",
               each(times,
                    [&] {
                        semaphore.acquire();
                        semaphore.release();
                    }),
               "ns");
    }
    if (options.wants("event_set_clear")) {
        const mp::Event event;
        report("event_set_clear",
               each(times,
                    [&] {
                        event.set();
                        event.clear();
                    }),
               "ns");
    }
    const mp::Condition condition;
    const mp::RawValue<int> turn(0);
    measure_condition(options, condition, turn.value());
    measure_barrier(options, [](int parties) { return std::optional<mp::Barrier>(parties); });
}
