// SPDX-License-Identifier: BSL-1.0
// Processes are killed at random instants while they take, hold or wait for each kind of lock: the
// others go on, exclusion holds, and no permit, notification or wake-up is lost for long.
#include <array>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include <multiprocessing/os/spin.hpp>
#include <multiprocessing/shared/value.hpp>
#include <multiprocessing/synchronize.hpp>

#include "support/deadline.hpp"
#include "support/random.hpp"
#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;
using test_support::random_source;
using test_support::scaled;

namespace {

int random_below(int end) {
    return std::uniform_int_distribution<int>(0, end - 1)(random_source());
}

/// Keeps the CPU for a moment, so that kills hit the middle of things.
void keep_busy(unsigned rounds) {
    for (unsigned i = 0; i < rounds; ++i)
        mp::os::relax();
}

constexpr std::size_t members = 4;

/// Processes that all carry out `body(index)` again and again, are killed and replaced.
class Gang {
  public:
    explicit Gang(std::function<void(std::size_t)> body) : body_(std::move(body)) {
        for (std::size_t i = 0; i < members; ++i)
            start(i);
    }

    void kill(std::size_t index) { children_[index].reset(); }
    void start(std::size_t index) {
        children_[index] = std::make_unique<Child>([this, index]() -> int {
            for (;;)
                body_(index);
        });
    }

  private:
    std::function<void(std::size_t)> body_;
    std::array<std::unique_ptr<Child>, members> children_;
};

/// Kills members at random instants; after each kill the survivors must get on by themselves.
template <class Progress>
void kill_at_random(Gang& gang, int kills, Progress progress) {
    for (int i = 0; i < kills; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(random_below(1500)));
        const auto victim = static_cast<std::size_t>(random_below(members));
        gang.kill(victim);
        const auto before = progress();
        REQUIRE(eventually([&] { return progress() >= before + 10; }, 5s));
        gang.start(victim);
    }
}

int kills_of_class() {
    return scaled(100);
}

/// It was killed: the kernel gives its locks back before it is a zombie.
bool is_ending(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text, ')');
    std::string state;
    unsigned long flags = 0;
    file >> state;
    for (int field = 4; field <= 9; ++field)
        file >> flags;
    constexpr unsigned long exiting = 0x4;  // PF_EXITING
    return !file || state == "Z" || state == "X" || (flags & exiting) != 0;
}

/// What the holders of a lock write, and how they find out that two were inside at once.
struct Inside {
    std::atomic<pid_t> holder{0};
    std::atomic<long> sections{0};
    std::atomic<long> violations{0};
    std::atomic<long> deaths_told{0};
    std::atomic<long> deaths_seen{0};

    void pass_through(unsigned length) {
        const pid_t before = holder.exchange(::getpid());
        if (before != 0)  // only who was killed inside may have left that
            ++(is_ending(before) ? deaths_seen : violations);
        keep_busy(length);
        holder = 0;
        ++sections;
    }
};

template <class Lock>
void kill_lockers(const Lock& lock, int depth) {
    const test_support::deadline limit(std::chrono::minutes(10));
    const Shared<Inside> inside;
    Gang gang([&](std::size_t index) {
        try {
            for (int i = 0; i < depth; ++i)
                lock.acquire();
            inside->pass_through(20 * static_cast<unsigned>(index));
            for (int i = 0; i < depth; ++i)
                lock.release();
        } catch (const mp::OwnerDiedError&) {
            ++inside->deaths_told;
        }
    });
    kill_at_random(gang, kills_of_class(), [&] { return inside->sections.load(); });
    CHECK(inside->violations == 0);
    std::printf("%d kills, %ld sections, deaths in a section %ld, told %ld\n", kills_of_class(),
                inside->sections.load(), inside->deaths_seen.load(), inside->deaths_told.load());
    // one that was told may have been killed before it could count
    CHECK(inside->deaths_told + kills_of_class() / 20 >= inside->deaths_seen);
}

constexpr int most_permits = 60;

/// Processes that acquire are killed while this one releases. @pre no permit is left
template <class AnySemaphore>
void kill_acquirers(const AnySemaphore& semaphore) {
    const test_support::deadline limit(std::chrono::minutes(10));
    const Shared<std::atomic<long>> taken(0);
    Gang gang([&](std::size_t) {
        semaphore.acquire();
        ++*taken;
    });
    long released = 0;
    for (int i = 0; i < kills_of_class(); ++i) {
        const auto victim = static_cast<std::size_t>(random_below(members));
        const int permits = 1 + random_below(most_permits);
        for (int k = 0; k < permits; ++k) {
            semaphore.release();
            if (k == permits / 2)
                gang.kill(victim);
            keep_busy(static_cast<unsigned>(random_below(3000)));
        }
        released += permits;
        REQUIRE(eventually([&] { return semaphore.get_value() == 0; }, 5s));
        gang.start(victim);
    }
    for (std::size_t i = 0; i < members; ++i)
        gang.kill(i);
    std::printf("%d kills, %ld permits, %ld taken\n", kills_of_class(), released, taken->load());
    CHECK(*taken <= released);
    CHECK(*taken + kills_of_class() + static_cast<long>(members) >= released);
}

}  // namespace

TEST_CASE("Processes killed around a Lock", "[crash][locks]") {
    kill_lockers(mp::Lock(), 1);
}

TEST_CASE("Processes killed around an RLock", "[crash][locks]") {
    kill_lockers(mp::RLock(), 3);
}

TEST_CASE("Processes killed while they increment a Value", "[crash][locks]") {
    const test_support::deadline limit(std::chrono::minutes(10));
    const mp::Value<long> value(0);
    struct Counts {
        std::array<std::atomic<long>, members> of{};
    };
    const Shared<Counts> done;
    Gang gang([&](std::size_t index) {
        try {
            const std::scoped_lock guard(value.get_lock());
            ++value.value();
            ++done->of[index];
        } catch (const mp::OwnerDiedError&) {
        }
    });
    const auto total = [&] {
        long sum = 0;
        for (const auto& count : done->of)
            sum += count;
        return sum;
    };
    kill_at_random(gang, kills_of_class(), total);
    for (std::size_t i = 0; i < members; ++i)
        gang.kill(i);
    const long missed = value.value() - total();  // killed between the two increments
    std::printf("%d kills, %ld increments, %ld cut short\n", kills_of_class(), value.value(),
                missed);
    CHECK(missed >= 0);
    CHECK(missed <= kills_of_class() + static_cast<long>(members));
}

TEST_CASE("Processes killed around a Semaphore", "[crash][locks]") {
    kill_acquirers(mp::Semaphore(0));
}

TEST_CASE("Processes killed around a BoundedSemaphore", "[crash][locks]") {
    const mp::BoundedSemaphore semaphore(most_permits);
    for (int i = 0; i < most_permits; ++i)
        semaphore.acquire();
    kill_acquirers(semaphore);
    // The bound is what it was, whoever died with a permit.
    for (int i = 0; i < most_permits; ++i)
        semaphore.release();
    CHECK_THROWS_AS(semaphore.release(), mp::ValueError);
}

TEST_CASE("Processes killed around a Condition", "[crash][locks]") {
    const test_support::deadline limit(std::chrono::minutes(10));
    const mp::Condition condition;
    const Shared<std::atomic<long>> items(0);
    const Shared<std::atomic<long>> taken(0);
    const auto under_lock = [&](auto work) {
        for (;;) {
            try {
                const std::scoped_lock guard(condition);
                return work();
            } catch (const mp::OwnerDiedError&) {
            }
        }
    };
    Gang gang([&](std::size_t) {
        under_lock([&] {
            condition.wait_for([&] { return *items > 0; });
            --*items;
        });
        ++*taken;
    });
    long put = 0;
    for (int i = 0; i < kills_of_class(); ++i) {
        // up to three of the four go at once, and nobody comes before all items are gone
        const int victims = 1 + random_below(members - 1);
        const int number = 1 + random_below(60);
        for (int k = 0; k < number; ++k) {
            under_lock([&] {
                ++*items;
                condition.notify();
            });
            for (int v = 0; k == number / 2 && v < victims; ++v)
                gang.kill(static_cast<std::size_t>(v));
            keep_busy(static_cast<unsigned>(random_below(3000)));
        }
        put += number;
        REQUIRE(eventually([&] { return *items == 0; }, 5s));
        for (int v = 0; v < victims; ++v)
            gang.start(static_cast<std::size_t>(v));
        i += victims - 1;
    }
    std::printf("%d kills, %ld items, %ld taken\n", kills_of_class(), put, taken->load());
    CHECK(*taken <= put);
}

TEST_CASE("Processes killed while they wait for an Event", "[crash][locks]") {
    const test_support::deadline limit(std::chrono::minutes(10));
    const mp::Event event;
    struct Rounds {
        std::atomic<long> now{1};
        std::array<std::atomic<long>, members> seen{};
    };
    const Shared<Rounds> rounds;
    Gang gang([&](std::size_t index) {
        event.wait();
        rounds->seen[index] = rounds->now.load();
    });
    for (int i = 0; i < kills_of_class(); ++i) {
        const auto victim = static_cast<std::size_t>(random_below(members));
        event.clear();
        const long round = ++rounds->now;
        keep_busy(static_cast<unsigned>(random_below(20'000)));
        if (i % 2 == 0)
            gang.kill(victim);
        event.set();
        if (i % 2 == 1)
            gang.kill(victim);
        REQUIRE(eventually(
            [&] {
                for (std::size_t k = 0; k < members; ++k)
                    if (k != victim && rounds->seen[k] < round)
                        return false;
                return true;
            },
            5s));
        gang.start(victim);
    }
}

TEST_CASE("A process killed while it sets an Event leaves nobody waiting", "[crash][locks]") {
    const test_support::deadline limit(std::chrono::minutes(10));
    const mp::Event event;
    const int kills = kills_of_class();
    int were_set = 0;
    for (int i = 0; i < kills; ++i) {
        event.clear();
        std::vector<Child> waiters;
        for (int k = 0; k < 2; ++k)
            waiters.emplace_back([&] { return event.wait() ? 0 : 1; });
        Child setter([&]() -> int {
            keep_busy(20'000);
            event.set();
            ::pause();
            return 0;
        });
        std::this_thread::sleep_for(std::chrono::microseconds(random_below(800)));
        setter.kill();
        if (event.is_set()) {
            ++were_set;
            for (Child& waiter : waiters)
                CHECK(waiter.join() == 0);
        }
    }
    std::printf("%d kills, the event was set in %d\n", kills, were_set);
}

TEST_CASE("A party killed around a Barrier holds nobody up for longer than the timeout",
          "[crash][locks]") {
    const test_support::deadline limit(std::chrono::minutes(10));
    constexpr int was_broken = 7;
    constexpr int out_of_step = 8;
    const Shared<std::atomic<long>> rounds(0);
    const mp::Barrier barrier(3, [&] { ++*rounds; });
    long passed = 0;
    int broken_rounds = 0;
    for (int i = 0; i < kills_of_class(); ++i) {
        const auto party = [&]() -> int {
            try {
                for (long mine = 1;; ++mine) {
                    barrier.wait(20ms);
                    if (*rounds != mine)  // nobody goes on to the next round without this party
                        return out_of_step;
                }
            } catch (const mp::BrokenBarrierError&) {
                return was_broken;
            }
        };
        Child victim(party);
        Child second(party);
        Child third(party);
        std::this_thread::sleep_for(std::chrono::microseconds(random_below(2000)));
        victim.kill();
        const auto time = time_of([&] {
            CHECK(second.join() == was_broken);
            CHECK(third.join() == was_broken);
        });
        CHECK(time < 5s);
        CHECK(barrier.broken());
        broken_rounds += barrier.broken() ? 1 : 0;
        barrier.reset();
        CHECK_FALSE(barrier.broken());
        passed += rounds->exchange(0);
    }
    std::printf("%d kills, %ld rounds, %d times broken\n", kills_of_class(), passed, broken_rounds);
}
