// SPDX-License-Identifier: BSL-1.0
// What single operations cost: values to bytes and back, locks, queues and pipes that nobody else
// uses, and a message to another process and back.
#include <cstddef>
#include <memory>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/serialization.hpp>
#include <multiprocessing/shared.hpp>
#include <multiprocessing/synchronize.hpp>
#include <mutex>
#include <span>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

struct Pickle {
    template <class T>
    static std::vector<std::byte> dumps(const T& value) {
        return mp::dumps(value);
    }
    template <class T>
    static T loads(const std::vector<std::byte>& bytes) {
        return mp::loads<T>(bytes);
    }
};

template <class Lock>
void add_lock(const Micro& micro, const std::string& name, const Lock& lock) {
    micro.add(name, [lock] {
        lock.acquire();
        lock.release();
    });
}

/// A process that sends each number back, until one is negative.
class Echo {
  public:
    Echo()
        : process_([there = there_, back = back_] {
              for (int number = there.get(); number >= 0; number = there.get())
                  back.put(number);
          }) {
        process_.start();
        trip();
    }
    ~Echo() { there_.put(-1); }
    Echo(const Echo&) = delete;
    Echo& operator=(const Echo&) = delete;

    /// How many seconds a number takes there and back.
    double trip() {
        int answer = 0;
        const double time = seconds([&] {
            there_.put(integer);
            answer = back_.get();
        });
        require(answer == integer, "queue_ping_pong");
        return time;
    }

  private:
    mp::Queue<int> there_;
    mp::Queue<int> back_;
    mp::Process process_;
};

}  // namespace

int main(int argc, char** argv) {
    const Micro micro(argc, argv);
    add_values<Pickle>(micro);
    add_lock(micro, "lock", mp::Lock());
    add_lock(micro, "rlock", mp::RLock());
    add_lock(micro, "semaphore", mp::Semaphore(1));
    micro.add("event", [event = mp::Event()] {
        event.set();
        event.clear();
    });
    micro.add("value", [value = mp::Value<int>(0)] {
        const std::scoped_lock guard(value.get_lock());
        value.value() += 1;
    });
    micro.add("queue", [queue = mp::Queue<int>()] {
        queue.put(integer);
        require(queue.get() == integer, "queue");
    });
    const auto [left, right] = mp::Pipe();
    micro.add("pipe_64", [left = left, right = right, message = std::vector<std::byte>(64)] {
        left.send_bytes(message);
        require(right.recv_bytes() == message, "pipe_64");
    });
    micro.add_timed("queue_ping_pong",
                    [] { return [echo = std::make_unique<Echo>()] { return echo->trip(); }; });
    micro.run();
}
