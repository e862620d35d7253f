// SPDX-License-Identifier: BSL-1.0
// close() takes no more work and lets join() wait for what there is; terminate() stops at once. A
// process that is terminated while it holds a lock does not take the lock with it.
#include <iostream>
#include <multiprocessing.hpp>
#include <mutex>

namespace mp = multiprocessing;

void count(mp::Value<int> done) {
    std::scoped_lock guard(done.get_lock());
    done.value() += 1;
}

void wait_and_count(mp::Event start, mp::Value<int> done) {
    start.wait();
    count(done);
}

void hold(mp::Lock lock, mp::Event held, mp::Event never) {
    std::scoped_lock guard(lock);
    held.set();
    never.wait();
}

int main() {
    mp::Event never;
    mp::Value<int> done(0);
    mp::Pool closed(2);
    for (int i = 0; i < 10; ++i)
        closed.apply_async(count, {done});
    closed.close();
    closed.join();
    std::cout << "close, join: " << done.value() << " of 10 tasks are done\n";

    mp::Pool terminated(2);
    for (int i = 0; i < 10; ++i)
        terminated.apply_async(wait_and_count, {never, done});
    terminated.terminate();
    terminated.join();
    std::cout << "terminate, join: " << done.value() - 10 << " of 10 tasks are done\n";

    mp::Lock lock;
    mp::Event held;
    mp::Process victim(hold, {lock, held, never});
    victim.start();
    held.wait();
    victim.terminate();
    victim.join();
    std::cout << "the victim ended by signal " << -*victim.exitcode() << '\n';
    try {
        lock.acquire();
    } catch (const mp::OwnerDiedError&) {  // once: what the lock guards may be half written
        std::cout << "the owner of the lock has died\n";
    }
    std::cout << "the next one gets a lock: " << (lock.acquire(false) ? "yes" : "no") << '\n';
    lock.release();
}
