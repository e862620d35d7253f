// SPDX-License-Identifier: BSL-1.0
// Processes that are killed or stopped, wrong keys, silent and slow clients, damaged requests.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "managers/manager_tools.hpp"
#include "support/sanitized.hpp"

using namespace manager_test;
namespace managed = mp::detail::managed;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

void hold_for_ever(mp::LockProxy lock, mp::Event held) {
    lock.acquire();
    held.set();
    sleep_long();
}
void hold_recursive_for_ever(mp::RLockProxy lock, mp::Event held) {
    lock.acquire();
    lock.acquire();
    held.set();
    sleep_long();
}
void hold_condition_for_ever(mp::ConditionProxy condition, mp::Event held) {
    condition.acquire();
    condition.notify_all();
    held.set();
    sleep_long();
}
void wait_for_lock(mp::LockProxy lock, mp::Event begun) {
    begun.set();
    lock.acquire();
    sleep_long();
}
void kill_it(mp::Process& process) {
    process.kill();
    process.join();
}

/// A process with a manager whose server and path it tells.
void own_a_manager(std::string path, mp::Queue<pid_t> server) {
    const mp::Manager manager({.address = path});
    server.put(*manager.pid());
    sleep_long();
}

/// Forks again and again, and counts the children that cannot reach the manager.
int failing_forks(const mp::DictProxy<int, int>& numbers, int first, int count) {
    int failures = 0;
    for (int i = first; i < first + count; ++i) {
        int status = 0;
        ::waitpid(fork_child([&] { numbers.set(i, i); }), &status, 0);
        failures += status != 0 ? 1 : 0;
    }
    return failures;
}

/// The time that a process has spent on a CPU, which other processes do not lengthen.
std::chrono::duration<double> cpu_time(pid_t pid) {
    clockid_t clock{};
    timespec used{};
    ::clock_getcpuclockid(pid, &clock);
    ::clock_gettime(clock, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

/// A client that speaks for itself.
class RawClient {
  public:
    explicit RawClient(const mp::BaseManager& manager, std::uint64_t program = 1)
        : connection_(connection(manager)) {
        const managed::hello greeting{.program = program};
        send({reinterpret_cast<const std::byte*>(&greeting),
              reinterpret_cast<const std::byte*>(&greeting + 1)});
        const auto reply = connection_.recv_bytes();
        std::memcpy(&welcome, reply.data(), std::min(reply.size(), sizeof welcome));
    }
    void send(const std::vector<std::byte>& bytes) { connection_.send_bytes(bytes); }
    /// @returns false when there is no room for a while
    bool try_send(const std::vector<std::byte>& bytes) {
        try {
            mp::detail::connection_access::end(connection_)
                .send(bytes, mp::detail::Deadline(100ms));
            return true;
        } catch (const mp::TimeoutError&) {
            return false;
        }
    }
    std::vector<std::byte> receive() { return connection_.recv_bytes(); }
    /// Reads what is there. @returns how many bytes it has read so far
    std::size_t drain() {
        std::vector<std::byte> place(1 << 16);
        drained_ += mp::os::receive_some(connection_.fileno(), place).size;
        return drained_;
    }

    managed::welcome welcome;

  private:
    static mp::Connection connection(const mp::BaseManager& manager) {
        return mp::connection::Client(manager.address(), {.authkey = manager.authkey()});
    }
    mp::Connection connection_;
    std::size_t drained_ = 0;
};
template <class... Number>
std::vector<std::byte> message(managed::verb what, managed::object_id object, Number... numbers) {
    mp::detail::heap_buffer buffer;
    buffer.append_value(managed::request_header{what, 0, object});
    (buffer.append_value(numbers), ...);
    return {buffer.data(), buffer.data() + buffer.size()};
}

struct FromServer : std::runtime_error {
    using std::runtime_error::runtime_error;
};
const bool known = mp::register_exception<FromServer>();

}  // namespace

TEST_CASE("A lock whose holder was killed throws OwnerDiedError once", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto method = fork_or_spawn();
    const auto lock = manager.Lock();
    const mp::Event held;
    mp::Process holder(hold_for_ever, {lock, held}, {.start_method = method});
    holder.start();
    held.wait();
    CHECK_FALSE(lock.acquire(20ms));
    SECTION("with nobody waiting") {
        kill_it(holder);
        CHECK(eventually([&] { return !lock.locked(); }));
        CHECK_THROWS_AS(lock.acquire(), mp::OwnerDiedError);
    }
    SECTION("with somebody waiting") {
        std::thread killer([&] {
            std::this_thread::sleep_for(50ms);
            holder.kill();
        });
        CHECK_THROWS_AS(lock.acquire(), mp::OwnerDiedError);
        killer.join();
        holder.join();
    }
    CHECK(lock.acquire());
    lock.release();
}

TEST_CASE("RLocks and conditions are freed when their holder was killed", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const mp::Event held;
    const auto lock = manager.RLock();
    mp::Process holder(hold_recursive_for_ever, {lock, held});
    holder.start();
    held.wait();
    kill_it(holder);
    CHECK_THROWS_AS(lock.acquire(), mp::OwnerDiedError);
    CHECK(lock.acquire(0s));

    const auto condition = manager.Condition();
    const mp::Event notified;
    const std::scoped_lock guard(condition);
    mp::Process notifier(hold_condition_for_ever, {condition, notified});
    notifier.start();
    std::thread killer([&] {
        notified.wait();
        notifier.kill();
    });
    // notified, but by one who died in the middle of what the lock guards
    CHECK_THROWS_AS(condition.wait(), mp::OwnerDiedError);
    killer.join();
    notifier.join();
    condition.notify();  // holding the lock
}

TEST_CASE("A client that is killed while it waits is forgotten", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto lock = manager.Lock();
    lock.acquire();
    const mp::Event begun;
    mp::Process waiter(wait_for_lock, {lock, begun});
    waiter.start();
    begun.wait();
    std::this_thread::sleep_for(20ms);
    kill_it(waiter);
    lock.release();
    CHECK(lock.acquire(patience));

    const auto queue = manager.Queue<int>();
    mp::Process taker(+[](mp::QueueProxy<int> from) { from.get(); }, {queue});
    taker.start();
    std::this_thread::sleep_for(50ms);
    kill_it(taker);
    CHECK(empties(manager, 2));
    queue.put(1);
    CHECK(queue.get(patience) == 1);
}

TEST_CASE("What a killed client held is dropped", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const mp::Event made;
    mp::Process client(
        +[](mp::connection::Address address, std::string key, mp::Event done) {
            const auto own = mp::Manager::connect({.address = address, .authkey = key});
            std::vector<mp::ListProxy<int>> lists;
            for (int i = 0; i < 100; ++i)
                lists.push_back(own.list<int>({i}));
            done.set();
            sleep_long();
        },
        {manager.address(), *manager.authkey(), made}, {.start_method = fork_or_spawn()});
    client.start();
    made.wait();
    CHECK(manager.number_of_objects() == 100);
    kill_it(client);
    CHECK(empties(manager));
}

TEST_CASE("Threads that fork at the same time have children that reach their manager",
          "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto numbers = manager.dict<int, int>();
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&, i] { failures += failing_forks(numbers, 1000 * i, 60); });
    for (auto& thread : threads)
        thread.join();
    CHECK(failures == 0);
    CHECK(numbers.size() == 180);
}

TEST_CASE("A server that is stopped or busy is ended by signals, a second each", "[managers]") {
    const Watch watch;
    std::optional<mp::Manager> manager(std::in_place);
    const auto value = manager->Value<int>(1);
    const pid_t server = *manager->pid();
    Clock::time_point begin;
    SECTION("stopped") {
        ::kill(server, SIGSTOP);
        begin = Clock::now();
        manager->shutdown();
        CHECK(manager->exitcode() == -SIGKILL);
    }
    SECTION("stopped, and all connections are in use") {
        const auto queue = manager->Queue<int>();
        std::thread waiter([&] { CHECK_THROWS_AS(queue.get(), mp::EOFError); });
        std::this_thread::sleep_for(50ms);
        ::kill(server, SIGSTOP);
        begin = Clock::now();
        manager->shutdown();
        waiter.join();
        CHECK(manager->exitcode() == -SIGKILL);
    }
    SECTION("busy, by the destructor") {
        std::thread caller(
            [&] { CHECK_THROWS_AS(value.update([](int&) { sleep_long(); }), mp::EOFError); });
        std::this_thread::sleep_for(100ms);
        begin = Clock::now();
        manager.reset();
        caller.join();
    }
    CHECK(Clock::now() - begin < 6s);
    CHECK(gone(server));
}

TEST_CASE("A stopped server delays a fork by a second, and the child's calls throw", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto value = manager.Value<int>(1);
    ::kill(*manager.pid(), SIGSTOP);
    const auto begin = Clock::now();
    const pid_t child = fork_child([&] {
        try {
            value.get();
        } catch (const mp::EOFError&) {
            ::_exit(7);
        }
    });
    CHECK(Clock::now() - begin < 4s);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 7);
    ::kill(*manager.pid(), SIGCONT);
    CHECK(value.get() == 1);
}

TEST_CASE("A killed server ends all calls with EOFError", "[managers]") {
    const Watch watch;
    const std::string path = free_path();
    {
        mp::Manager manager({.address = path, .start_method = every_method()});
        CHECK(fs::exists(path));
        const auto queue = manager.Queue<int>();
        const auto value = manager.Value<int>(1);
        std::thread killer([&] {
            std::this_thread::sleep_for(30ms);
            ::kill(*manager.pid(), SIGKILL);
        });
        CHECK_THROWS_AS(queue.get(), mp::EOFError);
        killer.join();
        CHECK_THROWS_AS(queue.put(1), mp::EOFError);
        CHECK_THROWS_AS(value.get(), mp::EOFError);
        CHECK_THROWS_AS(manager.list<int>(), mp::EOFError);
        CHECK_THROWS_AS(mp::dumps(queue), mp::EOFError);
        manager.shutdown();
        CHECK(manager.exitcode() == -SIGKILL);
        CHECK_THROWS_AS(manager.list<int>(), mp::ValueError);
    }
    CHECK_FALSE(fs::exists(path));
}

TEST_CASE("A function that ends the server is an EOFError for its caller", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto value = manager.Value<int>(1);
    CHECK_THROWS_AS(value.update([](int&) { ::_exit(3); }), mp::EOFError);
    manager.shutdown();
    CHECK(manager.exitcode() == 3);
}

TEST_CASE("A server ends with its creator, and so does its path", "[managers]") {
    const Watch watch;
    const std::string path = free_path();
    const mp::Queue<pid_t> told;
    mp::Process creator(own_a_manager, {path, told}, {.start_method = fork_or_spawn()});
    creator.start();
    const pid_t server = told.get(patience);
    CHECK(fs::exists(path));
    SECTION("when it is killed") {
        kill_it(creator);
        CHECK(eventually([&] { return gone(server); }));
        // the tracker removes the path when the family has ended; before that, who needs it does
        mp::Manager next({.address = path});
        CHECK(next.list<int>({1}).size() == 1);
    }
    SECTION("when it is terminated and the server is stopped") {
        ::kill(server, SIGSTOP);
        creator.terminate();
        creator.join();
        CHECK(eventually([&] { return gone(server); }));
    }
    fs::remove(path);
}

TEST_CASE("Who does not know the key is not let in", "[managers]") {
    const Watch watch;
    mp::Manager manager({.authkey = "right"});
    const auto address = manager.address();
    CHECK_THROWS_AS(mp::Manager::connect({.address = address, .authkey = "wrong"}),
                    mp::AuthenticationError);
    CHECK_THROWS_AS(mp::Manager::connect({.address = address}), mp::AuthenticationError);
    CHECK(mp::Manager::connect({.address = address, .authkey = "right"}).number_of_objects() == 0);
    CHECK_THROWS_AS(mp::Manager::connect({.address = free_path(), .authkey = "right"}),
                    std::system_error);
    CHECK_THROWS_AS(mp::Manager({.address = address}), std::system_error);
}

TEST_CASE("Silent clients and a stopped server: a full backlog is a TimeoutError", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto value = manager.Value<int>(1);
    const auto where = mp::detail::socket_addresses(manager.address()).at(0);
    std::vector<mp::os::descriptor> silent;
    for (int i = 0; i < 50; ++i)
        silent.push_back(mp::os::connect_stream(where, 100ms, [] {}));
    const auto begin = Clock::now();
    CHECK(value.get() == 1);
    CHECK(mp::Manager::connect({.address = manager.address(), .authkey = manager.authkey()})
              .number_of_objects() == 1);
    CHECK(Clock::now() - begin < 5s);

    ::kill(*manager.pid(), SIGSTOP);
    CHECK_THROWS_AS(mp::Manager::connect({.address = manager.address(),
                                          .authkey = manager.authkey(),
                                          .handshake_timeout = 100ms}),
                    mp::TimeoutError);
    struct full {};
    try {
        for (;;)
            silent.push_back(mp::os::connect_stream(where, 20ms, [] { throw full(); }));
    } catch (const full&) {
    }
    CHECK(silent.size() > 100);
    CHECK_THROWS_AS(mp::Manager::connect({.address = manager.address(),
                                          .authkey = manager.authkey(),
                                          .handshake_timeout = 100ms}),
                    mp::TimeoutError);
    {
        const mp::InterruptGuard guard;
        const pid_t self = ::getpid();
        std::thread signaller([&] {
            std::this_thread::sleep_for(50ms);
            ::kill(self, SIGINT);
        });
        CHECK_THROWS_AS(value.get(), mp::KeyboardInterrupt);
        signaller.join();
    }
    silent.clear();
    ::kill(*manager.pid(), SIGCONT);
    CHECK(value.get() == 1);
}

TEST_CASE("A client that reads no answers is not read from, and delays nobody", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto text = manager.Value<std::string>(std::string(100'000, 'x'));
    manager.globals().set("text", text);
    RawClient slow(manager);
    const auto ask = message(managed::verb::get, text.referred().id(), std::int64_t{0});
    slow.send(message(managed::verb::refer, text.referred().id(), std::uint64_t{0}));
    int sent = 0;
    while (sent < 100'000 && slow.try_send(ask))
        ++sent;
    CHECK(sent < 100'000);
    CHECK(test_support::resident_kib(*manager.pid()) < 100'000);
    CHECK(text.get().size() == 100'000);
    // it goes on where it reads on
    CHECK(eventually([&] { return slow.drain() >= 3'000'000; }));
}

TEST_CASE("Large values cost the server time in proportion, and none of its memory for long",
          "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const pid_t server = *manager.pid();
    constexpr std::size_t size = std::size_t{64} << 20;
    const std::string large(size, 'x');
    const auto texts = manager.dict<int, std::string>();
    const auto queue = manager.Queue<std::string>(1);
    const auto before = test_support::resident_kib(server);
    SECTION("set and read") {
        texts.set(1, large);
        CHECK(cpu_time(server) < 2s);
        CHECK(texts.get(1).size() == size);
        texts.erase(1);
    }
    SECTION("by a call that waits") {
        queue.put("x");
        std::thread putter([&] { queue.put(large); });
        std::this_thread::sleep_for(50ms);
        CHECK(queue.get() == "x");
        CHECK(queue.get().size() == size);
        putter.join();
    }
    if (!test_support::sanitized)  // sanitizers keep what was freed, and malloc() keeps some
        CHECK(eventually([&] { return test_support::resident_kib(server) < before + size / 1024; },
                         5s));
}

TEST_CASE("While a large value comes and goes others are served", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto texts = manager.dict<int, std::string>();
    const auto number = manager.Value<int>(1);
    std::atomic<bool> enough{false};
    std::atomic<int> transfers{0};
    std::thread large([&] {
        while (!enough) {
            texts.set(1, std::string(std::size_t{48} << 20, 'x'));
            (void)texts.get(1);
            ++transfers;
        }
    });
    int served = 0;
    for (; served < 100 || transfers == 0; ++served)
        CHECK(number.get() == 1);
    enough = true;
    large.join();
    CHECK(transfers <= 5);  // or the 100 had to wait for it
}

TEST_CASE("A hundred clients at once each have their answers", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto counter = manager.Value<std::int64_t>(5);
    manager.globals().set("counter", counter);
    const auto id = counter.referred().id();
    std::vector<RawClient> clients;
    for (int i = 0; i < 100; ++i)
        clients.emplace_back(manager);
    for (int round = 0; round < 3; ++round) {
        for (auto& client : clients)
            client.send(message(managed::verb::get, id, std::int64_t{0}));
        for (auto& client : clients)
            CHECK(client.receive().size() > sizeof(managed::answer_header));
    }
    CHECK(counter.get() == 5);
}

TEST_CASE("Exceptions in the server arrive with their types and change nothing", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto d = manager.dict<std::string, int>({{"a", 1}});
    CHECK_THROWS_AS(d.update("a",
                             [](int& n) {
                                 n = 5;
                                 throw FromServer("not today");
                             }),
                    FromServer);
    CHECK(d["a"] == 1);
    CHECK_THROWS_AS(d.update("b", [](int& n) { ++n; }), std::out_of_range);
    CHECK_THROWS_AS(d.get("b"), std::out_of_range);
    CHECK(d.get("b", 7) == 7);
    CHECK_THROWS_AS(d.erase("b"), std::out_of_range);
    CHECK(d.update("a", mp::partial([](int by, int& n) { return n += by; }, 4)) == 5);
    const auto queue = manager.Queue<int>();
    const auto queues = manager.dict<int, mp::QueueProxy<int>>({{1, queue}});
    CHECK_THROWS_AS(queues.update(1, [](mp::QueueProxy<int>& empty) { empty.get(); }),
                    mp::ValueError);
    const auto locks = manager.dict<int, mp::LockProxy>({{1, manager.Lock()}});
    CHECK_THROWS_AS(locks.update(1, [](mp::LockProxy& lock) { lock.acquire(); }), mp::ValueError);
    CHECK_FALSE(locks[1]->locked());
    queue.put(3);
    CHECK(queues.update(1, [](mp::QueueProxy<int>& one) { return one.get(); }) == 3);
}

TEST_CASE("A program of another build may not have functions called", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    RawClient stranger(manager, 1);
    CHECK(stranger.welcome.same_program == 0);
    for (const auto& request :
         {message(managed::verb::run, managed::globals_id, std::uint64_t{0}, std::uint64_t{4096}),
          message(managed::verb::create, 0, managed::object_kind::barrier, std::uint32_t{1},
                  std::int64_t{-1}, std::uint8_t{1}, std::uint64_t{0}, std::uint64_t{4096})}) {
        stranger.send(request);
        const auto answer = stranger.receive();
        mp::detail::input_cursor in(answer);
        CHECK(in.read_value<managed::answer_header>().how == managed::status::failed);
        CHECK_THROWS_AS(std::rethrow_exception(mp::detail::load_exception(in)), mp::ValueError);
    }
}

TEST_CASE("Damaged requests end a connection at most", "[managers]") {
    const Watch watch;
    mp::Manager manager;
    const auto victims =
        std::tuple(manager.list<int>({1, 2, 3}), manager.dict<int, int>({{1, 2}}),
                   manager.Queue<int>(2), manager.Lock(), manager.RLock(), manager.Semaphore(),
                   manager.Event(), manager.Barrier(2), manager.Array<int>(3), manager.Condition());
    const auto list = manager.list<int>({1, 2, 3});
    const auto lock = manager.Lock();
    const auto first = static_cast<std::uint32_t>(list.referred().id());
    std::mt19937 random(7);
    const auto any = [&](std::uint32_t below) {
        return static_cast<std::uint32_t>(random() % below);
    };
    for (int i = 0; i < 100; ++i) {
        RawClient bad(manager);
        try {
            for (int k = 0; k < 20; ++k) {
                const auto what = static_cast<managed::verb>(any(45));
                if (what == managed::verb::shutdown)
                    continue;
                auto bytes = message(what, any(first), std::uint64_t{any(3)},
                                     std::uint64_t{random()}, std::uint64_t{any(9)});
                bytes.resize(std::max(any(60), 4u));
                bad.send(bytes);
            }
        } catch (const mp::EOFError&) {
        }
    }
    // before the keys were compared nothing is looked at
    const auto where = mp::detail::socket_addresses(manager.address()).at(0);
    for (const std::string& bytes :
         {std::string(16, '\xff'), std::string("\0\0\0\x10garbage garbage ", 20),
          std::string("\x7f\xff\xff\xff", 4)}) {
        const auto socket = mp::os::connect_stream(where, 100ms, [] {});
        (void)::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        std::vector<char> rest(4096);
        while (::recv(socket.get(), rest.data(), rest.size(), 0) > 0) {
        }
    }
    CHECK(list.get(0) == 1);
    CHECK(lock.acquire(patience));
}

TEST_CASE("A server without descriptors serves those that it has", "[managers]") {
    const Watch watch;
    mp::SyncManager manager;
    manager.start(+[] {
        ::rlimit few{40, 40};
        ::setrlimit(RLIMIT_NOFILE, &few);
    });
    const auto value = manager.Value<int>(1);
    const auto where = mp::detail::socket_addresses(manager.address()).at(0);
    {
        std::vector<mp::os::descriptor> many;
        for (int i = 0; i < 60; ++i)
            many.push_back(mp::os::connect_stream(where, 100ms, [] {}));
        CHECK(value.get() == 1);
    }
    CHECK(mp::Manager::connect({.address = manager.address(), .authkey = manager.authkey()})
              .number_of_objects() == 1);
}

TEST_CASE("Servers in this process serve until a client says so", "[managers]") {
    const Watch watch;
    const std::string path = free_path();
    mp::SyncManager local({.address = path, .authkey = "k"});
    auto server = local.get_server();
    std::thread thread([&] { server.serve_forever(); });
    {
        auto client = mp::Manager::connect({.address = server.address(), .authkey = "k"});
        client.globals().set("list", client.list<int>({1, 2}));
        client.shutdown();  // of a server that it did not start: nothing
        CHECK(client.globals().get<mp::ListProxy<int>>("list").size() == 2);
        RawClient(client).send(message(managed::verb::shutdown, 0));
        thread.join();
    }
    CHECK(fs::exists(path));
}

TEST_CASE("Managers of one server in one process are one client", "[managers]") {
    const Watch watch;
    mp::SyncManager local({.address = free_path(), .authkey = "k"});
    auto server = local.get_server();
    std::thread serving([&] { server.serve_forever(); });
    {
        std::vector<std::optional<mp::Manager>> clients(4);
        std::vector<std::thread> threads;
        for (auto& each : clients)
            threads.emplace_back([&] {
                each.emplace(mp::Manager::connect({.address = server.address(), .authkey = "k"}));
            });
        for (auto& thread : threads)
            thread.join();
        clients[0]->globals().set("lock", clients[0]->RLock());
        for (const auto& each : clients)  // the same owner each time
            CHECK(each->globals().get<mp::RLockProxy>("lock").acquire(0ms));
        RawClient(*clients[0]).send(message(managed::verb::shutdown, 0));
        serving.join();
    }
}
