// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestContainers, TestSyncManagerTypes, _TestMyManager,
// _TestRemoteManager and _TestManagerRestart.
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <multiprocessing.hpp>
#include <multiprocessing/managers.hpp>

#include "managers/manager_tools.hpp"

using namespace manager_test;
using namespace std::string_literals;

namespace {

using Ints = std::vector<int>;

// ---- what children do to the objects of TestSyncManagerTypes; a check that fails ends them with 1

void require(bool holds) {
    if (!holds)
        throw std::logic_error("a check in a child failed");
}
void wait_for_event_and_clear(mp::EventProxy event) {
    require(event.is_set());
    require(event.wait());
    event.clear();
}
void acquire(mp::LockProxy lock) {
    lock.acquire();
}
void acquire_semaphore(mp::SemaphoreProxy semaphore) {
    semaphore.acquire();
}
void acquire_and_release(mp::RLockProxy lock) {
    lock.acquire();
    lock.release();
}
void use_condition(mp::ConditionProxy condition) {
    condition.acquire();
    condition.release();
}
void reset_barrier(mp::BarrierProxy barrier) {
    require(barrier.parties() == 5);
    barrier.reset();
}
void empty_queue(mp::QueueProxy<std::string> queue) {
    require(queue.qsize() == 2);
    require(queue.full());
    require(queue.get() == "a");
    require(queue.get() == "b");
    require(queue.empty());
}
void use_list(mp::ListProxy<std::string> list) {
    using Texts = std::vector<std::string>;
    require(list.index("a") == 2 && list.index("b") == 0);
    require(list.count("b") == 2 && list.count("d") == 0);
    require(list.contains("c") && !list.contains("d"));
    list.insert(1, "x");
    require(list == Texts{"b", "x", "c", "a", "b"});
    list.insert(-1, "y");
    list.insert(100, "z");
    require(list == Texts{"b", "x", "c", "a", "y", "b", "z"});
    list.sort();
    require(list == Texts{"a", "b", "b", "c", "x", "y", "z"});
    list.reverse();
    require(list == Texts{"z", "y", "x", "c", "b", "b", "a"});
    require(list.pop(0) == "z" && list.pop() == "a");
    std::string walked;
    for (const std::string& each : list)
        walked += each;
    require(walked == "yxcbb");
    try {
        (void)list.index("a");
        require(false);
    } catch (const mp::ValueError&) {
    }
}
void use_dict(mp::DictProxy<std::string, int> dict) {
    using Items = std::vector<std::pair<std::string, int>>;
    require(dict.get("key") == 1);
    require(dict.setdefault("key", 9) == 1);
    require(dict.setdefault("new", 2) == 2);
    dict.update(Items{{"key", 3}, {"more", 4}, {"most", 5}});
    // as in Python, a key keeps its place when it gets another value
    require(dict.items() == Items{{"key", 3}, {"new", 2}, {"more", 4}, {"most", 5}});
    require(dict.keys() == std::vector<std::string>{"key", "new", "more", "most"});
    require(dict.values() == Ints{3, 2, 4, 5});
    require(dict.copy() ==
            std::map<std::string, int>{{"key", 3}, {"more", 4}, {"most", 5}, {"new", 2}});
    require(dict.popitem() == std::pair("most"s, 5));
    require(dict.pop("new") == 2 && dict.pop("new", -1) == -1);
    require(dict.get("new", -2) == -2 && !dict.contains("new"));
}
void use_value(mp::ValueProxy<int> value) {
    require(value.value() == 1);
    require(value.get() == 1);
    value.set(2);
    require(value.value() == 2);
}
void use_array(mp::ArrayProxy<int> array) {
    require(array[0] == 0 && array[1] == 1);
    require(array.size() == 2);
    require(array == Ints{0, 1});
    array[0] = 7;
}
void use_namespace(mp::NamespaceProxy ns) {
    require(ns.get<int>("x") == 0);
    require(ns.get<int>("y") == 1);
}

// ---- _TestMyManager

struct FooBar {
    std::string f() { return "f()"; }
    std::string g() { throw mp::ValueError("g() failed"); }
    std::string _h() { return "_h()"; }
};
std::vector<int> squares() {
    Ints result;
    for (int i = 0; i < 10; ++i)
        result.push_back(i * i);
    return result;
}
struct Baz {
    std::vector<int> all() const { return squares(); }
};
void register_classes() {
    mp::BaseManager::register_type<FooBar>("Foo").method("f", &FooBar::f).method("g", &FooBar::g);
    mp::BaseManager::register_type<FooBar>("Bar").method("f", &FooBar::f).method("_h", &FooBar::_h);
    mp::BaseManager::register_type<Baz>("baz").method("all", &Baz::all);
}
void use_classes(const mp::BaseManager& manager) {
    const auto foo = manager.create<FooBar>("Foo");
    const auto bar = manager.create<FooBar>("Bar");
    const auto baz = manager.create<Baz>("baz");
    CHECK(foo.call(&FooBar::f) == "f()");
    CHECK(foo.call<std::string>("f") == "f()");
    CHECK_THROWS_AS(foo.call<std::string>("g"), mp::ValueError);
    CHECK_THROWS_WITH(foo.call<std::string>("g"), "g() failed");
    CHECK_THROWS_AS(foo.call<std::string>("_h"), std::out_of_range);
    CHECK(bar.call<std::string>("f") == "f()");
    CHECK(bar.call<std::string>("_h") == "_h()");
    CHECK_THROWS_AS(bar.call<std::string>("g"), std::out_of_range);
    CHECK(baz.call(&Baz::all) == squares());
}

// ---- _TestRemoteManager

struct Unpicklable {
    int number = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        if constexpr (Archive::is_saving::value)
            throw std::domain_error("it does not want to be sent");
        archive& number;
    }
};
void put_remotely(mp::connection::Address address, std::string key) {
    const auto manager = mp::Manager::connect({.address = address, .authkey = key});
    const auto queue = manager.globals().get<mp::QueueProxy<std::vector<std::string>>>("queue");
    queue.put({"hello world", "", "2.25"});
}

}  // namespace

TEST_CASE("_TestContainers.test_list", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager({.start_method = fork_or_spawn()});
    {
        const auto a = manager.list<int>(std::views::iota(0, 10));
        CHECK(a == Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
        const auto b = manager.list<int>();
        CHECK(b == Ints{});
        b.extend(std::views::iota(0, 5));
        CHECK(b == Ints{0, 1, 2, 3, 4});
        CHECK(b[2] == 2);
        CHECK(b[-1] == 4);
        CHECK(b.slice(2, 10) == Ints{2, 3, 4});
        CHECK(b.slice(-2) == Ints{3, 4});
        CHECK(b.slice(4, 2) == Ints{});
        b.update([](Ints& values) {
            const Ints before = values;
            values.insert(values.end(), before.begin(), before.end());
        });
        CHECK(b == Ints{0, 1, 2, 3, 4, 0, 1, 2, 3, 4});
        b.assign(1, 9, {7});
        CHECK(b == Ints{0, 7, 4});
        b.assign(1, 1, {5, 6});
        CHECK(b == Ints{0, 5, 6, 7, 4});
        b.erase(0);
        b.remove(6);
        CHECK(b == Ints{5, 7, 4});
        CHECK_THROWS_AS(b.remove(6), mp::ValueError);
        CHECK_THROWS_AS(b.get(3), std::out_of_range);
        CHECK_THROWS_AS(b.set(-4, 1), std::out_of_range);
        CHECK(a.copy().size() == 10);

        const auto e = manager.list<mp::ListProxy<int>>({a, b});
        CHECK(e[0] == a);
        CHECK(e[1]->copy() == Ints{5, 7, 4});
        const auto f = manager.list<mp::ListProxy<int>>({a});
        a.append(100);
        CHECK(f.copy().at(0) == Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100});
    }
    CHECK(empties(manager));
}

TEST_CASE("_TestContainers.test_list_iter", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto a = manager.list<int>(std::views::iota(0, 10));
    Ints seen;
    for (const int each : a)
        seen.push_back(each);
    CHECK(seen == a.copy());
    a[0] = 100;
    CHECK(*a.begin() == 100);
}

TEST_CASE("_TestContainers.test_list_proxy_in_list", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    {
        std::vector<mp::ListProxy<int>> inner;
        for (int i = 0; i < 3; ++i)
            inner.push_back(manager.list<int>({0, 1, 2}));
        const auto a = manager.list<mp::ListProxy<int>>(inner);
        inner.clear();
        CHECK(manager.number_of_objects() == 4);
        a[0]->set(-1, 55);
        CHECK(a[0].get() == Ints{0, 1, 55});
        CHECK(a[1].get() == Ints{0, 1, 2});
        CHECK(a[1]->pop() == 2);
        CHECK(a[1]->size() == 2);
        CHECK(a[2]->size() == 3);
    }
    CHECK(empties(manager));
}

TEST_CASE("_TestContainers.test_dict", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager({.start_method = fork_or_spawn()});
    const auto d = manager.dict<int, char>();
    for (int i = 65; i < 70; ++i)
        d[i] = static_cast<char>(i);
    CHECK(d.copy() == std::map<int, char>{{65, 'A'}, {66, 'B'}, {67, 'C'}, {68, 'D'}, {69, 'E'}});
    CHECK(d.keys() == Ints{65, 66, 67, 68, 69});
    CHECK(d.values() == std::vector<char>{'A', 'B', 'C', 'D', 'E'});
    CHECK(d.items().at(2) == std::pair(67, 'C'));
}

TEST_CASE("_TestContainers.test_dict_iter", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto d = manager.dict<int, char>({{1, 'a'}, {2, 'b'}});
    std::map<int, char> seen;
    for (const auto& [key, value] : d) {
        d.clear();  // the copy that is walked over is not changed by it
        seen.emplace(key, value);
    }
    CHECK(seen == std::map<int, char>{{1, 'a'}, {2, 'b'}});
    CHECK(d.empty());
}

TEST_CASE("_TestContainers.test_dict_proxy_nested", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    using Pets = mp::DictProxy<std::string, int>;
    {
        auto pets = manager.dict<std::string, int>({{"ferrets", 2}, {"hamsters", 4}});
        auto supplies = manager.dict<std::string, int>({{"water", 10}});
        const auto d = manager.dict<std::string, Pets>({{"pets", pets}, {"supplies", supplies}});
        CHECK(d["supplies"]->get("water") == 10);
        d["pets"]->set("blankets", 5);
        CHECK(pets["blankets"] == 5);
        d["supplies"]->set("water", 7);
        CHECK(supplies["water"] == 7);
        pets = {};
        supplies = {};
        CHECK(d["pets"]->get("blankets") == 5);
        CHECK(d["supplies"]->get("water") == 7);
        d.pop("pets");
        CHECK(empties(manager, 2));

        const auto l = manager.list<Pets>({d["supplies"]});
        CHECK(l[0] == d["supplies"].get());
        d.erase("supplies");
        l[0]->set("marmite", 88);
        CHECK(l[0]->get("marmite") == 88);
        CHECK(l[0]->get("water") == 7);
        // a plain list in a list is a value and no proxy
        const auto plain = manager.list<Ints>({{1, 2}});
        plain[0].get().push_back(3);
        CHECK(plain[0] == Ints{1, 2});
    }
    CHECK(empties(manager));
}

TEST_CASE("_TestContainers.test_nested_queue", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    {
        const auto a = manager.list<mp::QueueProxy<int>>();
        a.append(manager.Queue<int>());
        a[0]->put(123);
        CHECK(a[0]->get() == 123);
        const auto b = manager.dict<int, mp::QueueProxy<int>>();
        b[0] = manager.Queue<int>();
        b[0]->put(456);
        CHECK(b[0]->get() == 456);
    }
    CHECK(empties(manager));
}

TEST_CASE("_TestContainers.test_namespace", "[parity][managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto n = manager.Namespace();
    n.set("name", "Bob");
    n.set("job", "Builder");
    n.set("_hidden", "hidden");
    CHECK(n.get<std::string>("name") == "Bob");
    n.erase("job");
    CHECK_FALSE(n.contains("job"));
    CHECK_THROWS_AS(n.get<std::string>("job"), std::out_of_range);
    CHECK_THROWS_AS(n.erase("job"), std::out_of_range);
    CHECK(n.names() == std::vector<std::string>{"name", "_hidden"});
    CHECK_THROWS_AS(n.get<int>("name"), mp::UnpicklingError);
}

namespace {
/// Runs the body with a manager of each start method, by which it also starts its workers. The
/// server must be empty afterwards.
template <class Body>
void with_manager(Body body) {
    const Watch watch;
    const auto method = every_method();
    mp::Manager manager({.start_method = method});
    body(manager, method);
    CHECK(empties(manager));
}
}  // namespace

TEST_CASE("TestSyncManagerTypes.test_event", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto event = manager.Event();
        event.set();
        CHECK(run_worker(method, wait_for_event_and_clear, event) == 0);
        CHECK_FALSE(event.is_set());
    });
}

TEST_CASE("TestSyncManagerTypes.test_lock", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto lock = manager.Lock();
        CHECK(run_worker(method, acquire, lock) == 0);
        CHECK(lock.locked());
        lock.release();
        CHECK_THROWS_AS(lock.release(), mp::ValueError);
    });
}

TEST_CASE("TestSyncManagerTypes.test_rlock", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto lock = manager.RLock();
        CHECK(run_worker(method, acquire_and_release, lock) == 0);
        CHECK_FALSE(lock.locked());
        CHECK_THROWS_AS(lock.release(), mp::ValueError);
    });
}

TEST_CASE("TestSyncManagerTypes.test_semaphore", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto semaphore = manager.Semaphore();
        CHECK(run_worker(method, acquire_semaphore, semaphore) == 0);
        CHECK(semaphore.get_value() == 0);
        semaphore.release();
        CHECK(semaphore.get_value() == 1);
    });
}

TEST_CASE("TestSyncManagerTypes.test_bounded_semaphore", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto semaphore = manager.BoundedSemaphore();
        CHECK(run_worker(method, acquire_semaphore, semaphore) == 0);
        semaphore.release();
        CHECK_THROWS_AS(semaphore.release(), mp::ValueError);
    });
}

TEST_CASE("TestSyncManagerTypes.test_condition", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        CHECK(run_worker(method, use_condition, manager.Condition()) == 0);
        const auto lock = manager.Lock();
        const auto condition = manager.Condition(lock);
        condition.acquire();
        CHECK(lock.locked());
        condition.release();
        CHECK_FALSE(lock.locked());
    });
}

TEST_CASE("TestSyncManagerTypes.test_barrier", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        CHECK(run_worker(method, reset_barrier, manager.Barrier(5)) == 0);
    });
}

TEST_CASE("TestSyncManagerTypes.test_queue", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto queue = manager.Queue<std::string>(2);
        queue.put("a");
        queue.put("b");
        CHECK(run_worker(method, empty_queue, queue) == 0);
        CHECK(queue.empty());
    });
}

TEST_CASE("TestSyncManagerTypes.test_joinable_queue", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto queue = manager.JoinableQueue<std::string>(2);
        queue.put("a");
        queue.put("b");
        CHECK(run_worker(method, empty_queue, queue) == 0);
        queue.task_done();
        CHECK_FALSE(queue.join(0s));
        queue.task_done();
        CHECK(queue.join(0s));
        CHECK_THROWS_AS(queue.task_done(), mp::ValueError);
    });
}

TEST_CASE("TestSyncManagerTypes.test_list", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto list = manager.list<std::string>({"b", "c", "a", "b"});
        CHECK(run_worker(method, use_list, list) == 0);
        CHECK(list == std::vector<std::string>{"y", "x", "c", "b", "b"});
    });
}

TEST_CASE("TestSyncManagerTypes.test_dict", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto dict = manager.dict<std::string, int>({{"key", 1}});
        CHECK(run_worker(method, use_dict, dict) == 0);
        CHECK(dict.copy() == std::map<std::string, int>{{"key", 3}, {"more", 4}});
        dict.clear();
        CHECK(dict.size() == 0);
        CHECK_THROWS_AS(dict.popitem(), std::out_of_range);
    });
}

TEST_CASE("TestSyncManagerTypes.test_value", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto value = manager.Value<int>(1);
        CHECK(run_worker(method, use_value, value) == 0);
        CHECK(value.value() == 2);
    });
}

TEST_CASE("TestSyncManagerTypes.test_array", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto array = manager.Array<int>({0, 1});
        CHECK(run_worker(method, use_array, array) == 0);
        CHECK(array == Ints{7, 1});
        CHECK_THROWS_AS(array.assign(0, 1, {1, 2}), mp::ValueError);
    });
}

TEST_CASE("TestSyncManagerTypes.test_namespace", "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto ns = manager.Namespace();
        ns.set("x", 0);
        ns.set("y", 1);
        CHECK(run_worker(method, use_namespace, ns) == 0);
    });
}

TEST_CASE("_TestSharedMemory.test_shared_memory_SharedMemoryServer_ignores_sigint, of any manager",
          "[parity][managers]") {
    with_manager([](mp::Manager& manager, mp::StartMethod method) {
        const auto list = manager.list<std::string>({"b", "c", "a", "b"});
        // it would end before it reads another request
        ::kill(*manager.pid(), SIGINT);
        CHECK(run_worker(method, use_list, list) == 0);
        ::kill(*manager.pid(), SIGINT);
        CHECK(list.size() == 5);
    });
}

TEST_CASE("_TestMyManager.test_mymanager", "[parity][managers]") {
    const Watch watch;
    register_classes();
    mp::BaseManager manager({.start_method = fork_or_spawn()});
    manager.start();
    use_classes(manager);
    CHECK(empties(manager));
    manager.shutdown();
    CHECK(manager.exitcode() == 0);
}

TEST_CASE("_TestMyManager.test_mymanager_context", "[parity][managers]") {
    const Watch watch;
    register_classes();
    mp::BaseManager manager;
    CHECK_THROWS_AS(manager.create<FooBar>("Foo"), mp::ValueError);
    manager.start();
    CHECK_THROWS_AS(manager.start(), mp::ValueError);
    use_classes(manager);
    const pid_t pid = *manager.pid();
    { const mp::BaseManager last = std::move(manager); }
    CHECK(gone(pid));
}

TEST_CASE("_TestRemoteManager.test_remote", "[parity][managers]") {
    const Watch watch;
    const auto method = fork_or_spawn();
    mp::Manager manager({.address = {"127.0.0.1", 0}, .authkey = "a key", .start_method = method});
    CHECK(manager.address().port() != 0);
    manager.globals().set("queue", manager.Queue<std::vector<std::string>>());
    CHECK(run_worker(method, put_remotely, manager.address(), "a key"s) == 0);

    const auto other = mp::Manager::connect({.address = manager.address(), .authkey = "a key"});
    const auto queue = other.globals().get<mp::QueueProxy<std::vector<std::string>>>("queue");
    CHECK(queue.get(20s) == std::vector<std::string>{"hello world", "", "2.25"});
    CHECK_THROWS_AS(other.Queue<Unpicklable>().put({}), std::domain_error);
    CHECK(queue.empty());
}

TEST_CASE("_TestManagerRestart.test_rapid_restart", "[parity][managers]") {
    const Watch watch;
    mp::Manager first({.address = {"127.0.0.1", 0}, .authkey = "a key"});
    const auto address = first.address();
    first.globals().set("queue", first.Queue<std::string>());
    {
        const auto client = mp::Manager::connect({.address = address, .authkey = "a key"});
        client.globals().get<mp::QueueProxy<std::string>>("queue").put("hello world");
    }
    CHECK(first.globals().get<mp::QueueProxy<std::string>>("queue").get() == "hello world");
    first.shutdown();
    mp::Manager second({.address = address, .authkey = "a key"});
    CHECK(second.address() == address);
    CHECK(second.number_of_objects() == 0);
}

TEST_CASE("TestInitializers.test_manager_initializer", "[parity][managers]") {
    const Watch watch;
    mp::SyncManager manager({.start_method = fork_or_spawn()});
    manager.start(+[] { ::setenv("MULTIPROCESSING_INITIALIZED", "yes", 1); });
    const auto value = manager.Value<std::string>();
    value.update(+[](std::string& text) { text = ::getenv("MULTIPROCESSING_INITIALIZED"); });
    CHECK(value.get() == "yes");

    mp::SyncManager failing;
    CHECK_THROWS_AS(failing.start(+[] { throw std::domain_error("no"); }), std::domain_error);
    CHECK_THROWS_AS(failing.list<int>(), mp::ValueError);
}
