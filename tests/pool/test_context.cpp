// SPDX-License-Identifier: BSL-1.0
// Contexts: their processes and pools use their start method, whatever the default is.
#include <unistd.h>

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include <multiprocessing.hpp>

#include "pool/pool_tools.hpp"
#include "support/child.hpp"

using namespace pool_test;

namespace {

int start_method_here(int) {
    return static_cast<int>(mp::get_start_method());
}

void leave_with_start_method() {
    ::_exit(10 + start_method_here(0));
}

void leave_with(int code) {
    ::_exit(code);
}

struct Doubler {
    int factor = 2;
    int operator()(int x) const { return factor * x; }
};

bool initialized = false;
void initialize() {
    initialized = true;
}
bool is_initialized() {
    return initialized;
}

int ended_with(mp::Process process) {
    process.start();
    if (!process.join(patience)) {
        process.kill();
        return -1000;
    }
    return process.exitcode().value_or(-1001);
}

}  // namespace

TEST_CASE("Context.Process starts processes with the context's start method", "[pool][start]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    const auto context = mp::get_context(method);
    CHECK(ended_with(context.Process(leave_with_start_method)) == 10 + static_cast<int>(method));
    CHECK(ended_with(context.Process(leave_with, {7})) == 7);
    CHECK(ended_with(context.Process()) == 0);

    const auto named = context.Process(leave_with, {0}, {.name = "Ada", .daemon = true});
    CHECK(named.name() == "Ada");
    CHECK(named.daemon());
    CHECK(context.Process({.name = "Grace"}).name() == "Grace");
}

TEST_CASE("Context.Pool makes every kind of pool with the context's start method",
          "[pool][start]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    const auto context = mp::get_context(method);
    {
        auto pool = context.Pool({.processes = 1, .initializer = initialize});
        static_assert(std::is_same_v<decltype(pool), mp::Pool<>>);
        CHECK(pool.apply(start_method_here, {0}) == static_cast<int>(method));
        CHECK(pool.apply(is_initialized));
    }
    {
        auto pool = context.Pool(1U);
        static_assert(std::is_same_v<decltype(pool), mp::Pool<>>);
        CHECK(pool.map(start_method_here, {1, 2}) == std::vector<int>(2, static_cast<int>(method)));
    }
    {
        auto pool = context.Pool();
        CHECK(pool.apply(square, {12}) == 144);
    }
    {
        auto pool = context.Pool(Doubler{3}, {.processes = 1});
        static_assert(std::is_same_v<decltype(pool), mp::Pool<Doubler>>);
        CHECK(pool.map({1, 2}) == std::vector<int>{3, 6});
    }
    {
        auto pool = context.Pool(start_method_here, {.processes = 1});
        static_assert(std::is_same_v<decltype(pool), mp::Pool<int (*)(int)>>);
        CHECK(pool.apply({0}) == static_cast<int>(method));
    }
}

TEST_CASE("A context has one start method for life", "[pool][start]") {
    const auto spawn = mp::get_context(mp::StartMethod::spawn);
    const auto fork = mp::get_context(mp::StartMethod::fork);
    CHECK(spawn.get_start_method() == mp::StartMethod::spawn);
    CHECK_THROWS_AS(spawn.set_start_method(mp::StartMethod::spawn), mp::ValueError);
    CHECK_THROWS_AS(spawn.set_start_method(mp::StartMethod::fork, true), mp::ValueError);

    CHECK(spawn.get_context() == spawn);
    CHECK(spawn.get_context(mp::StartMethod::fork) == fork);
    CHECK_FALSE(spawn == fork);
}

TEST_CASE("A context refuses options that name another start method", "[pool][start]") {
    const auto context = mp::get_context(mp::StartMethod::fork);
    CHECK_THROWS_WITH(
        context.Pool({.start_method = mp::StartMethod::spawn}),
        Catch::Contains("the options say spawn") && Catch::Contains("the context is for fork"));
    CHECK_THROWS_AS(context.Process(leave_with, {0}, {.start_method = mp::StartMethod::spawn}),
                    mp::ValueError);
    CHECK(ended_with(context.Process(leave_with, {4}, {.start_method = mp::StartMethod::fork})) ==
          4);
}

TEST_CASE("get_context() is the context of the default start method", "[pool][start]") {
    CHECK(mp::get_context().get_start_method() == mp::get_start_method());
}

TEST_CASE("A context passes on what does not depend on the start method", "[pool][start]") {
    const auto context = mp::get_context(mp::StartMethod::spawn);
    CHECK(context.cpu_count() == mp::cpu_count());
    CHECK(context.current_process().pid() == ::getpid());
    CHECK_FALSE(context.parent_process());
    CHECK(context.active_children().empty());
    CHECK(&context.get_logger() == &mp::get_logger());
    context.freeze_support();
}

namespace {

using mp::shared_memory::ShareableList;
using mp::shared_memory::SharedMemory;

/// One of each object that processes share.
struct Objects {
    mp::Lock lock;
    mp::RLock rlock;
    mp::Semaphore semaphore;
    mp::BoundedSemaphore bounded;
    mp::Condition condition;
    mp::Event event;
    mp::Barrier barrier;
    mp::Value<int> value;
    mp::RawValue<int> raw_value;
    mp::Array<int> array;
    mp::RawArray<int> raw_array;
    mp::Queue<int> queue;
    mp::JoinableQueue<int> work;
    mp::SimpleQueue<int> answers;
    mp::Connection connection;
    SharedMemory block;
    ShareableList list;
};

/// They are those of one context; `other_end` is that of their connection.
Objects made_by(const mp::Context& context, mp::Connection& other_end) {
    auto [left, right] = context.Pipe();
    other_end = std::move(left);
    return {.lock = context.Lock(),
            .rlock = context.RLock(),
            .semaphore = context.Semaphore(3),
            .bounded = context.BoundedSemaphore(2),
            .condition = context.Condition(),
            .event = context.Event(),
            .barrier = context.Barrier(2),
            .value = context.Value(10),
            .raw_value = context.RawValue<int>(1),
            .array = context.Array<int>(3),
            .raw_array = context.RawArray<int>({5, 6}),
            .queue = context.Queue<int>(1),
            .work = context.JoinableQueue<int>(),
            .answers = context.SimpleQueue<int>(),
            .connection = std::move(right),
            .block = SharedMemory({.create = true, .size = 8}),
            .list = ShareableList{1, 2}};
}

/// What another process does with them.
void use_all(const Objects& objects) {
    {
        const std::scoped_lock guard(objects.lock, objects.rlock, objects.semaphore,
                                     objects.bounded, objects.condition);
        objects.value.value() += objects.raw_value.value();
        objects.array[0] += objects.raw_array[0];
        objects.queue.put(objects.work.get());
        objects.work.task_done();
        objects.answers.put(1);
        objects.connection.send(2);
        objects.block.buf()[0] = std::byte{3};
        objects.list[1] = 4;
        objects.event.set();
    }
    objects.barrier.wait(patience);
}

/// Works with them as long as another process does, and looks at what it has done.
void check_used(const Objects& objects, const mp::Connection& other_end) {
    objects.work.put(7);
    objects.barrier.wait(patience);
    CHECK(objects.event.wait(patience));
    CHECK(objects.queue.get(patience) == 7);
    objects.work.join();
    CHECK(objects.answers.get() == 1);
    CHECK(other_end.recv<int>() == 2);
    CHECK(objects.value.value() == 11);
    CHECK(objects.array[0] == 5);
    CHECK(objects.block.buf()[0] == std::byte{3});
    CHECK(objects.list[1] == 4);
    CHECK(objects.semaphore.get_value() == 3);
    CHECK(objects.bounded.get_value() == 2);
    CHECK_FALSE((objects.lock.locked() || objects.rlock.locked()));
    objects.block.unlink();
    objects.list.shm().unlink();
}

int process_id_here() {
    return ::getpid();
}
void use_next(const mp::Queue<Objects>& objects) {
    use_all(objects.get());
}

}  // namespace

TEST_CASE("A context makes every shared object, and its processes get them", "[pool][start]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    const auto context = mp::get_context(method);
    mp::Connection other_end;
    const Objects objects = made_by(context, other_end);
    auto process = context.Process(use_all, {objects});
    process.start();
    check_used(objects, other_end);
    process.join();
    CHECK(process.exitcode() == 0);
}

TEST_CASE("Every shared object is sent to a pool's worker that runs already", "[pool][start]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    const auto context = mp::get_context(method);
    auto pool = context.Pool(1);
    const int worker = pool.apply(process_id_here);
    mp::Connection other_end;
    const Objects objects = made_by(context, other_end);
    auto result = pool.apply_async(use_all, {objects});
    check_used(objects, other_end);
    result.get();
    CHECK(pool.apply(process_id_here) == worker);
}

TEST_CASE("Every shared object is captured by what a forked process runs", "[pool][start]") {
    Watch watch;
    const auto context = mp::get_context(mp::StartMethod::fork);
    mp::Connection other_end;
    const Objects objects = made_by(context, other_end);
    auto process = context.Process([objects] { use_all(objects); });
    process.start();
    check_used(objects, other_end);
    process.join();
    CHECK(process.exitcode() == 0);
}

TEST_CASE("Every shared object is an item of a queue", "[pool][start]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    const auto context = mp::get_context(method);
    const auto queue = context.Queue<Objects>();
    auto process = context.Process(use_next, {queue});
    process.start();
    mp::Connection other_end;
    const Objects objects = made_by(context, other_end);
    queue.put(objects);
    check_used(objects, other_end);
    process.join();
    CHECK(process.exitcode() == 0);
}

TEST_CASE("Context.Manager starts a manager with the context's start method", "[pool][start]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    const auto context = mp::get_context(method);
    const auto manager = context.Manager();
    auto list = manager.list<int>({1, 2});
    list.append(3);
    CHECK(list.size() == 3);
    CHECK_THROWS_AS(
        context.Manager({.start_method = method == mp::StartMethod::fork ? mp::StartMethod::spawn
                                                                         : mp::StartMethod::fork}),
        mp::ValueError);
}

TEST_CASE("What names its start method leaves the default open", "[pool][start]") {
    const mp::StartMethod method = every_method();
    const pid_t child = test_support::fork_child([&] {
        mp::detail::default_start_method = mp::detail::no_start_method;
        const auto context = mp::get_context(method);
        auto pool = context.Pool(1);
        auto bound = context.Pool(Doubler{}, {.processes = 1});
        const bool right = pool.apply(start_method_here, {0}) == static_cast<int>(method) &&
                           bound.apply({4}) == 8 &&
                           ended_with(context.Process(leave_with, {7})) == 7;
        mp::set_start_method(mp::StartMethod::forkserver);  // throws if it is fixed
        return right ? 0 : 1;
    });
    CHECK(test_support::end_of(child) == 0);
}

TEST_CASE("The functions of a context take what the constructors take", "[pool][start]") {
    const auto context = mp::get_context(mp::StartMethod::spawn);
    const auto lock = context.Lock();
    CHECK(context.Value<long>(3, lock).get_lock() == lock);
    CHECK(context.Array<long>({1, 2}, lock).get_lock() == lock);
    CHECK(context.Array<long>(2, lock).get_lock() == lock);
    CHECK(context.Array<long>(std::vector<long>{1, 2, 3}).size() == 3);
    CHECK(context.RawArray<long>(4).size() == 4);
    CHECK(context.Value<double>().value() == 0);
    const auto condition = context.Condition(lock);
    condition.acquire();
    CHECK(lock.locked());
    condition.release();
    CHECK_FALSE(lock.locked());
    int actions = 0;
    const auto barrier = context.Barrier(
        1, [&actions] { ++actions; }, 1s);
    barrier.wait();
    CHECK(actions == 1);
    const std::string name = "test_context_" + std::to_string(::getpid());
    CHECK(context.Lock(name) == mp::Lock(name));
}
