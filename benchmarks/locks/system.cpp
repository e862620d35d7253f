// SPDX-License-Identifier: BSL-1.0
// The same work with what the C library offers between processes: a robust and a plain mutex, an
// atomic number without any lock, a semaphore, a condition, a barrier.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "bare.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

template <class Mutex>
class LockedCounter {
  public:
    void increment() const {
        const std::scoped_lock guard(state_->mutex);
        state_->count += 1;
    }
    [[nodiscard]] std::int64_t read() const { return state_->count; }

  private:
    struct State {
        Mutex mutex;
        std::int64_t count = 0;
    };
    std::shared_ptr<State> state_ = shared<State>();
};

class AtomicCounter {
  public:
    void increment() const { count_->fetch_add(1); }
    [[nodiscard]] std::int64_t read() const { return *count_; }

  private:
    std::shared_ptr<std::atomic<std::int64_t>> count_ = shared<std::atomic<std::int64_t>>(0);
};

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    measure_contention(options, "contention", [] { return LockedCounter<RobustMutex>(); });
    measure_contention(options, "contention_plain", [] { return LockedCounter<PlainMutex>(); });
    measure_contention(options, "atomic", [] { return AtomicCounter(); });
    if (options.wants("semaphore")) {
        const auto semaphore = shared<BareSemaphore>(1U);
        report("semaphore",
               each(options.size(1'000'000, 1000),
                    [&] {
                        semaphore->acquire();
                        semaphore->release();
                    }),
               "ns");
    }
    const auto condition = shared<BareCondition>();
    const auto turn = shared<int>(0);
    measure_condition(options, *condition, *turn);
    measure_barrier(options, [](int parties) { return shared<BareBarrier>(parties); });
}
