// SPDX-License-Identifier: BSL-1.0
// The public promise of managers, as users write them: it must compile without a warning.
#include <map>
#include <memory>
#include <multiprocessing.hpp>
#include <string>
#include <vector>

namespace mp = multiprocessing;

void containers(const mp::Manager& manager, const std::vector<int>& more) {
    auto d = manager.dict<std::string, int>();
    d["a"] = 1;
    d.get("a");
    d.contains("a");
    d.size();
    d.items();
    d.pop("a");
    d.update("hits", [](int& n) { ++n; });
    const std::map<std::string, int> copy = d.copy();
    d.update(copy);
    d.update({{"a", 1}, {"b", 2}});
    const int x = d["a"];
    d["b"] = d["a"];
    d["b"] += 5;
    ++d["b"];
    d["b"]--;
    d["b"] += d["a"];
    if (d["a"] == x)
        d.clear();
    manager.dict<std::string, int>({{"a", 1}, {"b", 2}});
    manager.dict<std::string, std::string>({{"a", "b"}});

    auto l = manager.list<int>({1, 2, 3});
    l.append(4);
    l[0] = 9;
    l[1] += 3;
    l.extend(more);
    l.pop();
    l.insert(0, 7);

    auto ns = manager.Namespace();
    ns.set("x", 10);
    ns.get<int>("x");
    manager.Value<int>(0).value() += 1;
    manager.Array<int>(8);
}

void others(const mp::Manager& manager) {
    manager.Lock();
    manager.RLock();
    manager.Semaphore(2);
    manager.Event();
    manager.Condition();
    manager.Barrier(3);
    manager.Queue<int>();
    mp::LockProxy lock = manager.Lock();
    const std::scoped_lock guard(lock);
}

void remote() {
    const mp::Manager server({.address = {"0.0.0.0", 50000}, .authkey = "k"});
    const auto client = mp::Manager::connect({.address = {"127.0.0.1", 50000}, .authkey = "k"});
    client.globals().set("jobs", server.Queue<int>());
}

struct Counter {
    int n = 0;
    void add(int by) { n += by; }
};

void own_classes() {
    mp::BaseManager::register_type<Counter>("Counter").method("add", &Counter::add);
    mp::BaseManager manager;
    manager.start();
    const mp::InstanceProxy<Counter> counter = manager.create<Counter>("Counter");
    counter.call(&Counter::add, 5);
    counter.call("add", 5);
    mp::BaseManager({.address = "/run/counters"}).get_server().serve_forever();
}
