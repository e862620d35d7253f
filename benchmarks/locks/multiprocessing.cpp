// SPDX-License-Identifier: BSL-1.0
// Locks: one that nobody else wants, one that two processes want, and how soon an Event wakes who
// waits for it; beside them what the C library and the kernel offer.
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include <multiprocessing.hpp>

#include "../support/measure.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

/// Memory that forked processes share, without the library.
template <class T>
T* shared() {
    void* const memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    require(memory != MAP_FAILED, "mmap");
    return new (memory) T();
}

struct RobustMutex {
    pthread_mutex_t mutex;

    RobustMutex() {
        pthread_mutexattr_t attributes;
        ::pthread_mutexattr_init(&attributes);
        ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        ::pthread_mutex_init(&mutex, &attributes);
        ::pthread_mutexattr_destroy(&attributes);
    }
    void lock() { ::pthread_mutex_lock(&mutex); }
    void unlock() { ::pthread_mutex_unlock(&mutex); }
};

/// Nanoseconds for taking the lock and giving it back. @param times how often in one sample
template <class Lock>
double uncontended(Lock& lock, int times) {
    return seconds([&] {
               for (int i = 0; i < times; ++i) {
                   lock.lock();
                   lock.unlock();
               }
           }) *
           1e9 / times;
}

/// In turn, so that what slows the machine down slows all of them.
void measure_uncontended(int times) {
    const mp::Lock lock;
    const mp::RLock recursive;
    RobustMutex& robust = *shared<RobustMutex>();
    std::vector<double> of_lock, of_recursive, of_robust;
    for (int round = 0; round < 15; ++round) {
        of_lock.push_back(uncontended(lock, times));
        of_recursive.push_back(uncontended(recursive, times));
        of_robust.push_back(uncontended(robust, times));
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

/// A futex, and nothing around it but what an event needs.
struct FutexEvent {
    std::atomic<std::uint32_t> word{0};

    void set() {
        word = 1;
        ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
    void clear() { word = 0; }
    void wait() {
        while (word == 0)
            ::syscall(SYS_futex, &word, FUTEX_WAIT, 0, nullptr, nullptr, 0);
    }
};

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
    Woken* woken_;
    mp::Process process_;
};

void measure_wake_up(int rounds) {
    const mp::Event event;
    FutexEvent& futex = *shared<FutexEvent>();
    Waiter by_event(event, rounds);
    Waiter by_futex(futex, rounds);
    std::vector<double> of_event, of_futex;
    for (int i = 0; i < rounds; ++i) {
        of_event.push_back(by_event.wake());
        of_futex.push_back(by_futex.wake());
    }
    report("wake_up", median(of_event), "us");
    report("futex_wake_up", median(of_futex), "us");
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (options.wants("uncontended"))
        measure_uncontended(options.size(1'000'000, 1000));
    if (options.wants("increments"))
        measure_increments(options.size(1'000'000, 1000));
    if (options.wants("wake_up"))
        measure_wake_up(options.size(3000, 20));
}
