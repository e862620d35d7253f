// SPDX-License-Identifier: BSL-1.0
// The public promise of shared values, shared memory and locks, as users write it: it must compile
// without a warning.
#include <multiprocessing.hpp>

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

namespace {

struct Pixel {
    int x, y;
};

[[maybe_unused]] void values() {
    mp::Value<int> counter(0);
    {
        std::scoped_lock guard(counter.get_lock());
        counter.value() += 1;
    }
    mp::Lock lock;
    mp::Value<int> with_lock(0, lock);
    mp::RawValue<int> raw(0);
    mp::Value<Pixel> pixel({1, 2});
    mp::Value<Pixel> other(Pixel{1, 2}, lock);
    static_assert(std::is_same_v<decltype(mp::Value(0)), mp::Value<int>>);
    auto captured = [counter] {
        std::scoped_lock guard(counter.get_lock());
        counter.value() += 1;
    };
    captured();
}

[[maybe_unused]] void arrays(const std::vector<double>& some_range) {
    mp::Array<double> zeros(1000);
    mp::Array<int> list{1, 2, 3};
    mp::Array<double> range(some_range);
    mp::RawArray<float> raw(16);
    zeros[3] = 1.5;
    for (double& x : zeros)
        x = 1;
    [[maybe_unused]] const std::span<double> all = zeros.get_obj();
    mp::Array<double> copy(zeros), in_braces{zeros};
    std::tuple<mp::Array<double>> in_tuple{zeros};
    static_assert(std::is_same_v<decltype(mp::Array{1, 2}), mp::Array<int>>);
    static_assert(std::is_same_v<decltype(mp::Array(some_range)), mp::Array<double>>);
}

[[maybe_unused]] void blocks(const std::string& name) {
    mp::shared_memory::SharedMemory block({.create = true, .size = 4096});
    mp::shared_memory::SharedMemory attached({.name = name});
    [[maybe_unused]] const std::span<std::byte> bytes = block.buf();
    block.close();
    block.unlink();
    mp::shared_memory::ShareableList list{1, 2.5, true, "text"};
    mp::shared_memory::ShareableList opened(name);
    mp::shared_memory::ShareableList by_name({.name = name}), by_literal({.name = "list"});
    mp::shared_memory::ShareableList by_result({.name = list.shm().name()});
    mp::shared_memory::ShareableList named({1, 2.5, "text"}, name);
    [[maybe_unused]] const int number = list[0];
    [[maybe_unused]] const double real = list[1];
    [[maybe_unused]] const bool flag = list[2];
    [[maybe_unused]] const std::string text = list[3];
    list[0] = 9;
    if (list[0] == 9 && list[3] == "text")
        list[0] = list[1];
    for (auto item : list)
        item = nullptr;
    [[maybe_unused]] const std::string its_name = list.shm().name();
}

[[maybe_unused]] void locks() {
    mp::Lock lock;
    mp::RLock recursive;
    mp::Semaphore semaphore(3);
    mp::BoundedSemaphore bounded(3);
    mp::Event event;
    mp::Condition condition;
    mp::Barrier barrier(4);
    mp::Lock named("orders");
    lock.acquire();
    lock.release();
    [[maybe_unused]] const bool at_once = lock.acquire(false);
    [[maybe_unused]] const bool in_time = lock.acquire(250ms) || semaphore.acquire(2.5s);
    {
        std::scoped_lock both(lock, recursive, bounded);
        std::unique_lock perhaps(lock, std::try_to_lock);
        std::unique_lock with_condition(condition);
        condition.wait_for([] { return true; });
        condition.wait_for([] { return true; }, 1s);
        [[maybe_unused]] const std::optional<int> found =
            condition.wait_for([] { return std::optional(1); }, 1s);
        condition.notify(2);
        condition.notify_all();
    }
    auto captured = [lock, semaphore] {
        std::scoped_lock guard(lock);
        semaphore.acquire();
    };
    captured();
    event.set();
    event.clear();
    event.wait(1s);
    barrier.wait();
    barrier.abort();
    barrier.reset();
    [[maybe_unused]] const auto state =
        std::tuple(event.is_set(), semaphore.get_value(), barrier.parties(), barrier.n_waiting(),
                   barrier.broken(), lock.locked());
}

}  // namespace

int main() {
    return 0;
}
