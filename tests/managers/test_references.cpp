// SPDX-License-Identifier: BSL-1.0
// What keeps an object alive: handles in every process, other objects, and proxies on their way.
#include <sys/resource.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "managers/manager_tools.hpp"
#include "support/sanitized.hpp"

using namespace manager_test;

namespace {

using Ints = std::vector<int>;
using List = mp::ListProxy<int>;

/// Looks at the list when everybody else has let go of it.
void append_when_told(List list, mp::Event go, mp::Queue<int> seen) {
    go.wait();
    list.append(4);
    seen.put(static_cast<int>(list.size()));
}

/// Makes a list, puts its proxy into the queue and ends.
void make_and_send(mp::connection::Address address, std::string key, mp::Queue<List> out) {
    const auto manager = mp::Manager::connect({.address = address, .authkey = key});
    out.put(manager.list<int>({1, 2, 3}));
}

int sum_of(List list, int extra) {
    int sum = extra;
    for (const int each : list)
        sum += each;
    return sum;
}

struct Order {
    std::string name;
    std::optional<List> items;
};

void disturb(mp::QueueProxy<int> queue, pid_t whom) {
    for (int i = 0; i < 20; ++i) {
        std::this_thread::sleep_for(2ms);
        ::kill(whom, SIGINT);
        queue.put(i);
    }
}

/// Uses a list that was made before this process was started, and one that was made after.
void use_both(List before, mp::DictProxy<int, List> lists, mp::Event made) {
    made.wait();
    lists[0]->append(before.get(0));
    lists.set(1, before);
}

void fork_again(List list, mp::Event go, mp::Queue<int> seen) {
    mp::Process grandchild(append_when_told, {list, go, seen},
                           {.start_method = mp::StartMethod::fork});
    grandchild.start();
    grandchild.join();
}

/// How often somebody who asks for one number gets another one.
int wrong_answers(const List& numbers, int index) {
    int wrong = 0;
    for (int i = 0; i < 2000; ++i)
        wrong += numbers.get(index) != index ? 1 : 0;
    return wrong;
}
void count_wrong_answers(List numbers, int index) {
    ::_exit(wrong_answers(numbers, index) == 0 ? 0 : 3);
}

}  // namespace

TEST_CASE("A proxy that a process is started with outlives its sender's", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto method = every_method();
    const mp::Event go;
    const mp::Queue<int> seen;
    std::optional<mp::Process> child;
    {
        const List list = manager.list<int>({1, 2, 3});
        child.emplace(append_when_told, std::tuple(list, go, seen),
                      mp::ProcessOptions{.start_method = method});
        child->start();
    }
    go.set();
    CHECK(seen.get(patience) == 4);
    child->join();
    CHECK(child->exitcode() == 0);
    CHECK(empties(manager));
}

TEST_CASE("Servers of every start method serve proxies from before and after a start",
          "[managers]") {
    const Watch watch;
    const auto method = every_method();
    mp::Manager manager({.start_method = method});
    {
        const auto before = manager.list<int>({7});
        const auto lists = manager.dict<int, List>();
        const mp::Event made;
        mp::Process child(use_both, std::tuple(before, lists, made), {.start_method = method});
        child.start();
        const auto after = manager.list<int>();
        lists.set(0, after);
        made.set();
        child.join();
        CHECK(child.exitcode() == 0);
        CHECK(after == Ints{7});
        CHECK(lists.get(1) == before);
    }
    CHECK(empties(manager));
}

TEST_CASE("Objects that are made and dropped leave the server as small as it was", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto make_and_drop = [&](int count) {
        for (int i = 0; i < count; ++i)
            (void)manager.dict<int, int>({{i, i}});
        CHECK(empties(manager));
        return test_support::resident_kib(*manager.pid());
    };
    const auto before = make_and_drop(500);
    const auto after = make_and_drop(2000);
    if (!test_support::sanitized)  // sanitizers keep what was freed
        CHECK(after < before + 1000);
}

TEST_CASE("A forked child of a forked child has its own references", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const mp::Event go;
    const mp::Queue<int> seen;
    mp::Process child(fork_again, {manager.list<int>({1}), go, seen});
    child.start();
    go.set();
    CHECK(seen.get(patience) == 2);
    child.join();
    CHECK(empties(manager));
}

TEST_CASE("A fork gives the child connections of its own, however often its parent has connected",
          "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto numbers = manager.list<int>({0, 1});
    CHECK(mp::Manager::connect({.address = manager.address(), .authkey = manager.authkey()})
              .number_of_objects() == 1);
    mp::Process child(count_wrong_answers, {numbers, 1}, {.start_method = mp::StartMethod::fork});
    child.start();
    CHECK(wrong_answers(numbers, 0) == 0);
    child.join();
    CHECK(child.exitcode() == 0);
}

TEST_CASE("A proxy in a queue keeps its object when its sender has ended", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto method = fork_or_spawn();
    const mp::Queue<List> queue;
    CHECK(run_worker(method, make_and_send, manager.address(), *manager.authkey(), queue) == 0);
    {
        CHECK(manager.number_of_objects() == 1);
        const List list = queue.get(patience);
        CHECK(list == Ints{1, 2, 3});
    }
    CHECK(empties(manager));
}

TEST_CASE("Proxies are arguments of pool tasks", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto method = fork_or_spawn();
    {
        mp::Pool pool({.processes = 2, .start_method = method});
        const List list = manager.list<int>({1, 2, 3});
        CHECK(pool.apply(sum_of, {list, 4}) == 10);
        CHECK(pool.starmap(sum_of, std::vector<std::tuple<List, int>>{{list, 1}, {list, 2}}) ==
              Ints{7, 8});
    }
    CHECK(empties(manager));
}

TEST_CASE("Bytes of a proxy stand for one reference", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    auto list = manager.list<int>({1});
    const auto bytes = mp::dumps(list);
    list = {};
    CHECK(manager.number_of_objects() == 1);
    {
        const auto first = mp::loads<List>(bytes);
        CHECK(first == Ints{1});
        CHECK(mp::loads<List>(bytes) == first);  // somebody has a handle
    }
    CHECK(empties(manager));
    CHECK_THROWS_AS(mp::loads<List>(bytes), std::out_of_range);
    CHECK_THROWS_AS(mp::loads<mp::ListProxy<long>>(bytes), mp::UnpicklingError);
    CHECK_THROWS_AS(mp::dumps(List()), mp::PicklingError);
    CHECK_THROWS_AS(List().size(), mp::ValueError);
}

TEST_CASE("Values that hold proxies keep and drop their objects", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto orders = manager.dict<int, Order>();
    orders[1] = Order{"first", manager.list<int>({1})};
    orders[2] = Order{"second", {}};
    CHECK(manager.number_of_objects() == 2);
    CHECK(orders[1]->items->size() == 1);
    CHECK_THROWS_AS(manager.globals().get<mp::ListProxy<long>>("orders"), std::out_of_range);
    // the function puts the proxy into another value
    orders.update([](std::map<int, Order>& all) { std::swap(all[1].items, all[2].items); });
    CHECK_FALSE(orders[1]->items);
    CHECK(orders[2]->items->copy() == Ints{1});
    // and uses the object that it names
    CHECK(orders.update(2, [](Order& order) {
        order.items->append(2);
        return order.items->copy();
    }) == Ints{1, 2});
    const auto taken = orders.pop(2);
    CHECK(manager.number_of_objects() == 2);
    CHECK(taken.items->get(1) == 2);
    orders[1] = taken;
    orders.clear();
    CHECK(manager.number_of_objects() == 2);
}

TEST_CASE("What a function takes out of a value is alive until its caller has it", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    using Lists = std::vector<List>;
    const auto take_last = +[](Lists& all) {
        const List last = all.back();
        all.pop_back();
        return last;
    };
    {
        const auto in_dict = manager.dict<std::string, Lists>();
        in_dict.set("k", {manager.list<int>({1})});
        CHECK(in_dict.update("k", take_last) == Ints{1});
        CHECK(in_dict.get("k").empty());

        const auto in_list = manager.list<List>({manager.list<int>({2})});
        CHECK(in_list.update(take_last) == Ints{2});
        CHECK(in_list.empty());

        const auto space = manager.Namespace();
        space.set("all", Lists{manager.list<int>({3})});
        CHECK(space.update<Lists>("all", take_last) == Ints{3});

        const auto whole = manager.dict<int, List>({{1, manager.list<int>({4})}});
        CHECK(whole.update([](std::map<int, List>& all) { return std::exchange(all, {}).at(1); }) ==
              Ints{4});
        CHECK(whole.empty());
    }
    CHECK(empties(manager));
}

TEST_CASE("What a function takes out of another object can be used, stored and returned",
          "[managers]") {
    const Watch watch;
    mp::Manager manager;
    using Dict = mp::DictProxy<int, List>;
    using Queue = mp::QueueProxy<List>;
    {
        const auto source = manager.dict<int, List>();
        for (int i = 0; i < 3; ++i)
            source.set(i, manager.list<int>({i}));
        const auto dicts = manager.list<Dict>({source});
        CHECK(dicts.update(0, [](Dict& from) {
            const List popped = from.pop(0);
            popped.append(7);
            return popped;
        }) == Ints{0, 7});
        dicts.update(0, [](Dict& from) { from.set(2, from.pop(1)); });
        CHECK(source.get(2) == Ints{1});
        CHECK(source.size() == 1);

        const auto queue = manager.Queue<List>();
        queue.put(manager.list<int>({5}));
        const auto queues = manager.list<Queue>({queue});
        CHECK(queues.update(0, [](Queue& from) { return from.get_nowait(); }) == Ints{5});
        CHECK(empties(manager, 5));
    }
    CHECK(empties(manager));
}

TEST_CASE("A chain of two thousand objects is dropped without recursion", "[managers]") {
    const Watch watch;
    mp::SyncManager manager;
    manager.start(+[] {
        ::rlimit small{256 << 10, RLIM_INFINITY};  // recursion would not fit
        ::setrlimit(RLIMIT_STACK, &small);
    });
    mp::NamespaceProxy last = manager.Namespace();
    for (int i = 0; i < 2000; ++i) {
        const auto before = last;
        last = manager.Namespace();
        last.set("before", before);
    }
    CHECK(manager.number_of_objects() >= 2000);
    last = {};
    CHECK(empties(manager));
}

TEST_CASE("A call that waits delays no other thread", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto queue = manager.Queue<int>();
    const auto counter = manager.Value<int>(0);
    std::atomic<int> got{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] { got += queue.get(); });
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int k = 0; k < 100; ++k)
                counter.update([](int& n) { ++n; });
        });
    CHECK(eventually([&] { return counter.get() == 400; }));
    CHECK(got == 0);
    const auto before = open_descriptors().size();
    for (int i = 0; i < 100; ++i)
        CHECK(counter.get() == 400);
    CHECK(open_descriptors().size() == before);
    for (int i = 0; i < 8; ++i)
        queue.put(1);
    for (auto& thread : threads)
        thread.join();
    CHECK(got == 8);
}

TEST_CASE("An interrupt that comes with the item loses nothing", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto queue = manager.Queue<int>();
    const mp::InterruptGuard guard;
    int taken = 0;
    mp::Process disturber(disturb, {queue, ::getpid()});
    disturber.start();
    const auto take = [&] {
        try {
            const int item = queue.get(patience);  // a CHECK would catch the interrupt
            CHECK(item == taken);
            ++taken;
        } catch (const mp::KeyboardInterrupt&) {
        }
    };
    while (taken < 20)
        take();
    mp::detail::interrupt_pending = false;  // the last one came before the last item
    disturber.join();
    CHECK(queue.empty());
}
