// SPDX-License-Identifier: BSL-1.0
// Integers through a bare boost::interprocess::message_queue, which knows bytes and a limit: what
// shared memory with a mutex and condition variables costs.
#include <boost/interprocess/ipc/message_queue.hpp>

#include <unistd.h>

#include <cstdint>
#include <string>

#include "workload.hpp"

using namespace benchmark;

namespace {

/// At most 100 integers.
template <class Integer>
class MessageQueue {
  public:
    MessageQueue() {
        // Both processes have it from before the fork: its name is not needed any longer.
        Queue::remove(name().c_str());
    }
    void put(Integer number) { queue_.send(&number, sizeof number, 0); }
    Integer get() {
        Integer number = 0;
        Queue::size_type size = 0;
        unsigned priority = 0;
        queue_.receive(&number, sizeof number, size, priority);
        require(size == sizeof number, "message_queue");
        return number;
    }

  private:
    using Queue = boost::interprocess::message_queue;

    static std::string name() { return "multiprocessing-benchmark-" + std::to_string(::getpid()); }
    Queue queue_{boost::interprocess::create_only, name().c_str(), 100, sizeof(Integer)};
};

void latency(const Options& options) {
    MessageQueue<std::int64_t> there;
    MessageQueue<std::int64_t> back;
    beside([&] { echo([&] { return there.get(); }, [&](std::int64_t n) { back.put(n); }); },
           [&] {
               report_latency(options, [&](std::int64_t number) {
                   there.put(number);
                   return back.get();
               });
               return 0;
           });
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (options.wants("bounded")) {
        MessageQueue<int> queue;
        report("bounded",
               integers(
                   options.size(200'000, 2000), [&](int i) { queue.put(i); },
                   [&] { return queue.get(); }),
               "ns");
    }
    if (options.wants("latency"))
        latency(options);
}
