// SPDX-License-Identifier: BSL-1.0
// What the C library and the kernel offer between processes, without the library of ours: mutexes,
// a condition, a semaphore, a barrier, a futex, and memory that holds them.
#pragma once

#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "../support/measure.hpp"

namespace benchmark {

/// An object in memory that processes forked later share.
template <class T, class... Arguments>
std::shared_ptr<T> shared(Arguments&&... arguments) {
    void* const memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    require(memory != MAP_FAILED, "mmap");
    return {new (memory) T(std::forward<Arguments>(arguments)...),
            [](T* object) { ::munmap(object, sizeof(T)); }};
}

/// A mutex between processes. @tparam robustness PTHREAD_MUTEX_ROBUST or PTHREAD_MUTEX_STALLED
template <int robustness>
struct BareMutex {
    pthread_mutex_t mutex;

    BareMutex() {
        pthread_mutexattr_t attributes;
        ::pthread_mutexattr_init(&attributes);
        ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        ::pthread_mutexattr_setrobust(&attributes, robustness);
        ::pthread_mutex_init(&mutex, &attributes);
        ::pthread_mutexattr_destroy(&attributes);
    }
    void lock() { ::pthread_mutex_lock(&mutex); }
    void unlock() { ::pthread_mutex_unlock(&mutex); }
};
using RobustMutex = BareMutex<PTHREAD_MUTEX_ROBUST>;
using PlainMutex = BareMutex<PTHREAD_MUTEX_STALLED>;

struct BareCondition {
    RobustMutex mutex;
    pthread_cond_t condition;

    BareCondition() {
        pthread_condattr_t attributes;
        ::pthread_condattr_init(&attributes);
        ::pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        ::pthread_cond_init(&condition, &attributes);
        ::pthread_condattr_destroy(&attributes);
    }
    void lock() { mutex.lock(); }
    void unlock() { mutex.unlock(); }
    template <class Predicate>
    void wait_for(Predicate predicate) {
        while (!predicate())
            ::pthread_cond_wait(&condition, &mutex.mutex);
    }
    void notify() { ::pthread_cond_signal(&condition); }
};

struct BareSemaphore {
    sem_t semaphore;

    explicit BareSemaphore(unsigned value) { ::sem_init(&semaphore, 1, value); }
    void acquire() { ::sem_wait(&semaphore); }
    void release() { ::sem_post(&semaphore); }
};

struct BareBarrier {
    pthread_barrier_t barrier;

    explicit BareBarrier(int parties) {
        pthread_barrierattr_t attributes;
        ::pthread_barrierattr_init(&attributes);
        ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        ::pthread_barrier_init(&barrier, &attributes, static_cast<unsigned>(parties));
        ::pthread_barrierattr_destroy(&attributes);
    }
    void wait() { ::pthread_barrier_wait(&barrier); }
};

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

}  // namespace benchmark
