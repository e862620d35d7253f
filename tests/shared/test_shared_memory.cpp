// SPDX-License-Identifier: BSL-1.0
// SharedMemory and ShareableList: names, errors, what other processes see, and what is left behind.
#include "support/catch.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <random>
#include <ranges>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/memory/shared_block.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/shared.hpp>
#include <multiprocessing/synchronize.hpp>

#include "memory/tracker_tools.hpp"
#include "support/calls.hpp"
#include "support/child.hpp"
#include "support/leaks.hpp"
#include "support/process.hpp"

namespace {

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::shared_memory::ShareableList;
using mp::shared_memory::ShareableValue;
using mp::shared_memory::SharedMemory;
using mp::shared_memory::SharedMemoryOptions;
using test_support::end_of;
using test_support::error_of;
using test_support::eventually;
using test_support::fork_child;

std::string unused_name() {
    static int count = 0;
    return "mp_test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
}
bool exists(const std::string& name) {
    return ::access(("/dev/shm/" + name).c_str(), F_OK) == 0;
}

/// What random numbers are while a test wants to know them.
std::optional<std::byte> fixed_randomness;

/// Runs `body` in a forked process which founds a family of its own. @returns its pid
template <class Body>
pid_t start_family(Body body) {
    return fork_child([&] {
        mp::detail::this_family() = {mp::os::random_number<std::uint64_t>(),
                                     mp::os::process_start_time(::getpid()), ::getpid()};
        body();
    });
}

}  // namespace

/// Stands before the C library's.
extern "C" ssize_t getrandom(void* bytes, std::size_t size, unsigned flags) {
    if (!fixed_randomness)
        return ::syscall(SYS_getrandom, bytes, size, flags);
    std::memset(bytes, static_cast<int>(*fixed_randomness), size);
    fixed_randomness = static_cast<std::byte>(static_cast<int>(*fixed_randomness) + 1);
    return static_cast<ssize_t>(size);
}

TEST_CASE("SharedMemory is zero, keeps its name and size, and is found by its name",
          "[shared_memory]") {
    const std::string name = unused_name();
    const SharedMemory block({.name = name, .create = true, .size = 512});
    CHECK(block.name() == name);
    CHECK(block.size() == 512);
    REQUIRE(block.buf().size() == 512);
    for (const std::byte byte : block.buf())
        REQUIRE(byte == std::byte{0});
    block.buf()[0] = std::byte{42};
    const SharedMemory same({.name = name});
    CHECK(same.size() == 512);
    CHECK(same.buf()[0] == std::byte{42});
    same.buf()[1] = std::byte{43};
    CHECK(block.buf()[1] == std::byte{43});
    const SharedMemory slash({.name = "/" + name, .size = 1});  // the size is of no account
    CHECK(slash.name() == name);
    CHECK(slash.size() == 512);
    block.unlink();
    CHECK_FALSE(exists(name));
    CHECK(same.buf()[0] == std::byte{42});
    CHECK(error_of([&] { same.unlink(); }) == ENOENT);
    CHECK(error_of([&] { (void)SharedMemory({.name = name}); }) == ENOENT);
}

TEST_CASE("SharedMemory without a name gets one in Python's form", "[shared_memory]") {
    const SharedMemory first({.create = true, .size = 1});
    const SharedMemory second({.create = true, .size = std::size_t{1}});
    CHECK(first.name().starts_with("psm_"));
    CHECK(first.name() != second.name());
    first.unlink();
    second.unlink();
}

TEST_CASE("SharedMemory thinks of another name when its first one is taken", "[shared_memory]") {
    fixed_randomness = std::byte{0x11};
    const SharedMemory first({.create = true, .size = 1});
    fixed_randomness = std::byte{0x11};
    const SharedMemory second({.create = true, .size = 1});
    fixed_randomness.reset();
    CHECK(first.name() == "psm_11111111");
    CHECK(second.name() == "psm_12121212");
    first.unlink();
    CHECK(exists(second.name()));
    second.unlink();
}

TEST_CASE("SharedMemory refuses what cannot be", "[shared_memory]") {
    CHECK_THROWS_AS(SharedMemory(SharedMemoryOptions{}), mp::ValueError);
    CHECK_THROWS_AS(SharedMemory({.create = true}), mp::ValueError);
    CHECK_THROWS_AS(SharedMemory({.create = true, .size = 0}), mp::ValueError);
    CHECK_THROWS_AS(SharedMemory({.create = true, .size = -1}), mp::ValueError);
    for (const std::string name : {"", "/", "..", "a/b", "//a"})
        CHECK_THROWS_AS(SharedMemory({.name = name, .create = true, .size = 1}), mp::ValueError);
    CHECK_THROWS_AS(SharedMemory({.name = std::string("a\0b", 3)}), mp::ValueError);
    CHECK_THROWS_AS(SharedMemory({.name = std::string(300, 'x')}), mp::ValueError);
    CHECK_THROWS_AS(SharedMemory().buf(), mp::ValueError);

    const SharedMemory block({.name = unused_name(), .create = true, .size = 1});
    CHECK(error_of([&] {
              (void)SharedMemory({.name = block.name(), .create = true, .size = 1});
          }) == EEXIST);
    CHECK(exists(block.name()));
    block.unlink();
}

TEST_CASE("A name that is taken is refused whatever the size", "[shared_memory]") {
    const SharedMemory block({.name = unused_name(), .create = true, .size = 1});
    CHECK(error_of([&] {
              SharedMemory({.name = block.name(), .create = true, .size = std::int64_t{1} << 45});
          }) == EEXIST);
    block.unlink();
}

TEST_CASE("SharedMemory.close unmaps for all copies, and nothing but unlink needs the name",
          "[shared_memory]") {
    const SharedMemory block({.create = true, .size = 4096});
    const SharedMemory copy = block;
    CHECK(copy == block);
    block.close();
    block.close();
    CHECK_THROWS_AS(copy.buf(), mp::ValueError);
    CHECK_THROWS_AS(copy.size(), mp::ValueError);
    CHECK(exists(block.name()));
    copy.unlink();
    CHECK_FALSE(exists(block.name()));
}

TEST_CASE("SharedMemory travels by its name", "[shared_memory]") {
    const SharedMemory block({.create = true, .size = 64});
    const auto bytes = mp::dumps(block);
    const auto other = mp::loads<SharedMemory>(bytes);
    CHECK_FALSE(other == block);
    other.buf()[3] = std::byte{9};
    CHECK(block.buf()[3] == std::byte{9});
    block.unlink();
    CHECK_THROWS_AS(mp::loads<SharedMemory>(bytes), mp::UnpicklingError);
}

TEST_CASE("A name with a line break, a colon and a space is a name", "[shared_memory]") {
    const SharedMemory block({.name = unused_name() + ":\n x", .create = true, .size = 1});
    CHECK(exists(block.name()));
    block.unlink();
}

TEST_CASE("More memory than a file may have is an error at creation", "[shared_memory]") {
    const std::string name = unused_name();
    const pid_t pid = fork_child([&] {
        const rlimit small{1 << 20, 1 << 20};
        ::setrlimit(RLIMIT_FSIZE, &small);
        const int error =
            error_of([&] { (void)SharedMemory({.name = name, .create = true, .size = 2 << 20}); });
        return error == ENOSPC ? 0 : 1;
    });
    CHECK(end_of(pid) == 0);
    CHECK_FALSE(exists(name));
}

namespace {

/// Gives this process a /dev/shm of its own. @returns false when the system does not permit it
bool mount_small_memory(const char* options) {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("tmpfs", "/dev/shm", "tmpfs", 0, options) == 0;
}

void require(bool condition, const char* what) {
    if (!condition)
        throw std::logic_error(what);
}

void create_in_full_memory() {
    std::mt19937 random(7);
    std::vector<SharedMemory> blocks;
    int error = 0;
    while (error == 0) {
        error = error_of([&] {
            blocks.push_back(SharedMemory({.create = true, .size = 1 + random() % 20'000}));
        });
    }
    require(error == ENOSPC, "the error of a block");
    while (error_of([&] { blocks.push_back(SharedMemory({.create = true, .size = 1})); }) == 0) {
    }
    const auto names = test_support::shared_memory_names();
    require(names.size() == blocks.size() && names.size() > 10, "the number of names");

    require(error_of([] { (void)SharedMemory({.create = true, .size = 1}); }) == ENOSPC, "a block");
    require(error_of([] { (void)ShareableList{1, 2}; }) == ENOSPC, "a list");
    require(error_of([] { (void)mp::Lock("full"); }) == ENOSPC, "a named lock");
    require(test_support::shared_memory_names() == names, "names are left");
    for (const SharedMemory& block : blocks)
        std::ranges::fill(block.buf(), std::byte{1});

    // What has no name does not lie in /dev/shm.
    const mp::Lock lock;
    const mp::RLock recursive;
    const mp::Semaphore semaphore;
    const mp::BoundedSemaphore bounded;
    const mp::Condition condition;
    { const std::scoped_lock all(lock, recursive, semaphore, bounded, condition); }
    const mp::Event event;
    event.set();
    require(mp::Barrier(1).wait() == 0, "a barrier");
    require(mp::Value<int>(3).value() == 3, "a value");
    std::ranges::fill(mp::Array<char>(1'000'000), 'x');
    std::ranges::fill(mp::RawArray<char>(1'000'000), 'x');
    const mp::Queue<std::string> queue;
    queue.put(std::string(100'000, 'x'));
    require(queue.get().size() == 100'000, "a queue");

    blocks.back().unlink();
    blocks.pop_back();
    (void)mp::Lock("no more full");
}

}  // namespace

TEST_CASE("A full /dev/shm is an error at creation, and of names alone", "[shared_memory]") {
    constexpr int not_permitted = 77;
    const pid_t pid = start_family([] {
        if (!mount_small_memory("size=256k"))
            ::_exit(not_permitted);
        try {
            create_in_full_memory();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "in a full /dev/shm: %s\n", error.what());
            ::_exit(1);
        }
    });
    int status = -1;
    ::waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == not_permitted)
        WARN("a mount namespace is not permitted here: nothing is tried");
    else
        CHECK(status == 0);
}

TEST_CASE("What a family leaves in /dev/shm is removed when it was killed", "[shared_memory]") {
    const auto before = test_support::shared_memory_names();
    std::mt19937 random(3);
    for (int round = 0; round < 20; ++round) {
        const pid_t pid = start_family([] {
            std::vector<SharedMemory> blocks;
            std::vector<mp::detail::shared_block> named;
            for (int i = 0;; ++i) {
                blocks.push_back(SharedMemory({.create = true, .size = 100}));
                named.push_back(mp::detail::shared_block::open_named(
                    "test", "n" + std::to_string(i % 50), 64, [](std::byte*) {}));
                if (i % 3 == 0)
                    blocks[static_cast<std::size_t>(i) / 2].unlink();
            }
        });
        std::this_thread::sleep_for(std::chrono::microseconds(2000 + random() % 8000));
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    std::set<std::string> left;
    CHECK(eventually(
        [&] {
            left = test_support::shared_memory_names();
            return left == before;
        },
        1s));
    for (const std::string& name : left)
        if (!before.contains(name))
            UNSCOPED_INFO(name);
    CHECK(left.size() == before.size());
}

TEST_CASE("What a process leaves in /dev/shm is removed after its tracker was killed",
          "[shared_memory]") {
    const std::string name = unused_name();
    const pid_t family = start_family([&] {
        const SharedMemory block({.name = name, .create = true, .size = 1});
        const pid_t tracker = memory_test::tracker();
        ::kill(tracker, SIGKILL);
        if (!exists(name) || !eventually([&] { return !test_support::is_running(tracker); }))
            throw std::runtime_error("the block has no name, or its tracker lives");
        std::exit(0);
    });
    CHECK(end_of(family) == 0);
    CHECK(eventually([&] { return !exists(name); }, 10s));
    ::unlink(("/dev/shm/" + name).c_str());
}

TEST_CASE("Names stay while a forked child lives, whatever became of the family's first process",
          "[shared_memory]") {
    const std::string name = unused_name();
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t root = start_family([&] {
        const SharedMemory block({.name = name, .create = true, .size = 8});
        ::close(ends[1]);
        if (::fork() == 0) {
            char byte = 0;
            (void)!::read(ends[0], &byte, 1);  // until the test closes the other end
            ::_exit(0);
        }
        ::kill(::getpid(), SIGKILL);
    });
    ::close(ends[0]);
    ::waitpid(root, nullptr, 0);
    std::this_thread::sleep_for(300ms);
    CHECK(exists(name));
    ::close(ends[1]);
    CHECK(eventually([&] { return !exists(name); }, 10s));
    ::unlink(("/dev/shm/" + name).c_str());
}

TEST_CASE("The name of a lock that was sent to nobody is removed with the family",
          "[shared_memory]") {
    const std::string name = unused_name();
    const auto exists_now = [&] {
        return exists("multiprocessing-" + std::to_string(::geteuid()) + "-test-" + name);
    };
    const pid_t pid = start_family([&] {
        const auto block =
            mp::detail::shared_block::open_named("test", name, 64, [](std::byte*) {});
        (void)mp::dumps(block);
        if (!exists_now())
            throw std::runtime_error("the block has no name");
    });
    CHECK(end_of(pid) == 0);
    CHECK(test_support::eventually([&] { return !exists_now(); }));
}

TEST_CASE("A forked child reads a block that another thread was reading", "[shared_memory]") {
    const ShareableList list{7};
    list.shm().unlink();  // other programs' tests would take the name for something left behind
    std::atomic<bool> leave{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i)
        readers.emplace_back([&] {
            while (!leave)
                (void)list.shm().size();
        });
    for (int i = 0; i < 300; ++i) {
        const pid_t pid = fork_child([&] {
            ::alarm(10);
            return list.shm().size() > 0 ? 0 : 1;
        });
        REQUIRE(end_of(pid) == 0);
    }
    leave = true;
    for (auto& reader : readers)
        reader.join();
}

TEST_CASE("A block that was only attached to outlives the family that did", "[shared_memory]") {
    const SharedMemory block({.create = true, .size = 8});
    const pid_t pid = start_family([&] {
        const SharedMemory same({.name = block.name()});
        const SharedMemory own({.create = true, .size = 8});  // so that it has a tracker
        ::kill(::getpid(), SIGKILL);
    });
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(WTERMSIG(status) == SIGKILL);
    std::this_thread::sleep_for(100ms);  // longer than the tracker needs
    CHECK(exists(block.name()));
    block.unlink();
}

// ---- named blocks

TEST_CASE("A named block is one memory for all who open it, and gone with the last",
          "[shared_memory]") {
    const std::string name = unused_name();
    int made = 0;
    const auto open = [&] {
        return mp::detail::shared_block::open_named("test", name, 64, [&](std::byte* place) {
            ++made;
            place[0] = std::byte{5};
        });
    };
    const auto names = test_support::shared_memory_names();
    {
        const auto first = open();
        const auto second = open();
        CHECK(first == second);
        CHECK(made == 1);
        CHECK(first.data()[0] == std::byte{5});
        const pid_t pid = start_family([&] { open().data()[1] = std::byte{6}; });
        ::waitpid(pid, nullptr, 0);
        CHECK(first.data()[1] == std::byte{6});
        CHECK(test_support::shared_memory_names().size() == names.size() + 1);
    }
    CHECK(open().data()[1] == std::byte{6});  // a fork shared it: it stays while the family lives
    CHECK_THROWS_AS(mp::detail::shared_block::open_named("test", "a/b", 64, [](std::byte*) {}),
                    mp::ValueError);
    ::unlink(("/dev/shm/multiprocessing-" + std::to_string(::geteuid()) + "-test-" + name).c_str());
}

TEST_CASE("A named block that no fork shared loses its name with its last handle",
          "[shared_memory]") {
    const auto names = test_support::shared_memory_names();
    {
        const auto block =
            mp::detail::shared_block::open_named("test", unused_name(), 64, [](std::byte*) {});
        CHECK(test_support::shared_memory_names().size() == names.size() + 1);
    }
    CHECK(test_support::shared_memory_names() == names);
}

TEST_CASE("Openers and leavers of a named block never split it in two", "[shared_memory]") {
    // Each process that holds the block counts itself in; two memories under one name at the same
    // time would show as a count that is too low.
    const std::string name = unused_name();
    std::vector<pid_t> families;
    for (int i = 0; i < 4; ++i)
        families.push_back(start_family([&] {
            const auto made_by_me = [](std::byte*) {};
            for (int round = 0; round < 500; ++round) {
                const auto block =
                    mp::detail::shared_block::open_named("test", name, 64, made_by_me);
                std::atomic_ref<int> inside(*block.as<int>());
                if (inside.fetch_add(1) != 0 &&
                    !mp::os::identity_of("/dev/shm/multiprocessing-" + std::to_string(::geteuid()) +
                                         "-test-" + name))
                    ::_exit(7);  // others use it, but its name is gone
                inside.fetch_sub(1);
            }
        }));
    for (const pid_t pid : families) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        CHECK(status == 0);
    }
    CHECK_FALSE(exists("multiprocessing-" + std::to_string(::geteuid()) + "-test-" + name));
}

TEST_CASE("A file that is no named block is refused, and stays", "[shared_memory]") {
    const std::string name = unused_name();
    const std::string file = "multiprocessing-" + std::to_string(::geteuid()) + "-test-" + name;
    std::ofstream("/dev/shm/" + file) << "not ours";
    std::array<int, 2> told{};
    REQUIRE(::pipe2(told.data(), O_CLOEXEC) == 0);
    const pid_t family = start_family([&] {
        try {
            (void)mp::detail::shared_block::open_named("test", name, 64, [](std::byte*) {});
        } catch (const mp::ProcessError&) {
            const pid_t tracker = memory_test::tracker();
            (void)!::write(told[1], &tracker, sizeof tracker);
        }
    });
    pid_t tracker = -1;
    ::waitpid(family, nullptr, 0);
    REQUIRE(::read(told[0], &tracker, sizeof tracker) == sizeof tracker);
    CHECK(eventually([&] { return tracker == 0 || !test_support::is_running(tracker); }));
    CHECK(exists(file));
    ::unlink(("/dev/shm/" + file).c_str());
    ::close(told[0]);
    ::close(told[1]);
}

// ---- ShareableList

TEST_CASE("ShareableList keeps items of every type", "[shareable_list]") {
    const std::vector<std::byte> raw{std::byte{1}, std::byte{0}, std::byte{255}};
    const ShareableList list{1, -2.5, true, false, "text", raw, nullptr, std::string(20, 'x'), ""};
    REQUIRE(list.size() == 9);
    CHECK(list.at(0).as<std::int64_t>() == 1);
    CHECK(list[1].as<double>() == -2.5);
    CHECK(list[2].as<bool>());
    CHECK_FALSE(list[3].as<bool>());
    CHECK(list[4] == "text");
    CHECK(list[5] == raw);
    CHECK(list.at(6).is_none());
    CHECK(list[-2].as<std::string>() == std::string(20, 'x'));
    CHECK(list[-1] == "");
    CHECK(list.format() == "qdxxxxxxx?xxxxxxx?8s8sxxxxxx?x24s8s");
    CHECK(list.count(true) == 1);
    CHECK(list.index("text") == 4);
    CHECK_THROWS_AS(list.index("none of them"), mp::ValueError);
    CHECK_THROWS_AS(list.at(9), std::out_of_range);
    CHECK_THROWS_AS(list[-10], std::out_of_range);
    CHECK_THROWS_AS(list.at(0).as<double>(), mp::ValueError);
    list.shm().unlink();
}

TEST_CASE("ShareableList is made from any range", "[shareable_list]") {
    std::vector<int> numbers{1, 2};
    const ShareableList list(numbers);
    CHECK((list.size() == 2 && list.at(1) == 2));
    const ShareableList squares(std::views::iota(1, 4) |
                                std::views::transform([](int n) { return n * 0.5; }));
    CHECK((squares.size() == 3 && squares.at(2) == 1.5));
    const ShareableList texts(std::vector<std::string>{"a", "b"});
    CHECK(texts.at(1) == "b");
    const ShareableList flags(std::vector<bool>{true});
    CHECK(flags.at(0) == true);
    const std::vector<ShareableValue> values{1, "one"};
    const ShareableList named(std::span{values}, unused_name().c_str());
    CHECK(named.at(1) == "one");
    STATIC_REQUIRE(!std::is_constructible_v<ShareableList, const char8_t*>);
    STATIC_REQUIRE(!std::is_constructible_v<ShareableList, std::u16string>);
    struct Derived : ShareableList {};
    STATIC_REQUIRE(!std::is_constructible_v<ShareableList, Derived&>);
    const ShareableList copy(list);  // which names the same
    CHECK(copy.shm().name() == list.shm().name());
    for (const ShareableList& each : {list, squares, texts, flags, named})
        each.shm().unlink();
}

TEST_CASE("ShareableList changes items and their types in place, within their slots",
          "[shareable_list]") {
    const ShareableList list{1, "four"};
    list[0] = "12345678";
    CHECK(list[0] == "12345678");
    CHECK_THROWS_AS(list.set(0, "123456789"), mp::ValueError);
    CHECK(list[0] == "12345678");
    list[0] = 2.5;
    CHECK(list[0].as<double>() == 2.5);
    list[1] = list[0];
    CHECK(list[1].as<double>() == 2.5);
    list[1] = nullptr;
    CHECK(list.at(1).is_none());
    list[1] = std::numeric_limits<std::int64_t>::min();
    CHECK(list[1].as<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
    CHECK_THROWS_AS(list.set(1, std::numeric_limits<std::uint64_t>::max()), mp::ValueError);
    list.shm().unlink();
}

TEST_CASE("ShareableList is opened by its name and travels by it", "[shareable_list]") {
    const ShareableList list{1, 2, 3};
    const ShareableList same(list.shm().name());
    same[0] = 10;
    CHECK(list[0] == 10);
    const std::string name = list.shm().name();
    const char* const c_string = name.c_str();
    for (const ShareableList& by_options :
         {ShareableList({.name = name}), ShareableList({.name = list.shm().name()}),
          ShareableList({.name = c_string}), ShareableList(SharedMemoryOptions{.name = name})})
        CHECK(by_options.copy() == list.copy());
    CHECK_THROWS_AS(ShareableList({.name = name, .create = true}), mp::ValueError);
    CHECK(error_of([] { (void)ShareableList({.name = "no such list"}); }) == ENOENT);
    const auto bytes = mp::dumps(list);
    mp::loads<ShareableList>(bytes)[1] = 20;
    CHECK(list[1] == 20);
    list.shm().unlink();
    CHECK_THROWS_AS(mp::loads<ShareableList>(bytes), mp::UnpicklingError);
    const ShareableList empty(std::vector<ShareableValue>{});
    CHECK(empty.size() == 0);
    CHECK_THROWS_AS(empty.at(0), std::out_of_range);
    empty.shm().unlink();
}

TEST_CASE("A ShareableList is not received from a block that holds none", "[shareable_list]") {
    const ShareableList list{1, 2};
    const std::string name = list.shm().name();
    const auto bytes = mp::dumps(list);
    list.shm().unlink();
    const SharedMemory other({.name = name, .create = true, .size = 64});
    std::ranges::fill(other.buf(), std::byte{255});
    CHECK_THROWS_AS(mp::loads<ShareableList>(bytes), mp::UnpicklingError);
    other.unlink();
}

TEST_CASE("Copies of a ShareableList are handles to it", "[shareable_list]") {
    ShareableList list{1, "two"};
    ShareableList copy(list), braced{list};
    const ShareableList constant = list;
    ShareableList of_constant(constant), assigned;
    assigned = constant;
    for (const ShareableList& each : {copy, braced, constant, of_constant, assigned})
        CHECK(each == list);
    ShareableList moved(std::move(copy));
    assigned = std::move(moved);
    CHECK(assigned == list);
    const std::tuple<ShareableList> in_tuple{list};
    struct Holder {
        ShareableList list;
        int number;
    };
    const Holder holder{list, 1};
    const Holder same = holder;
    CHECK(same.list == std::get<0>(in_tuple));
    static_assert(std::copyable<ShareableList> && std::copyable<Holder>);
    static_assert(std::is_nothrow_move_constructible_v<ShareableList>);
    static_assert(std::is_nothrow_move_assignable_v<ShareableList>);
    const ShareableList one{"only"};
    CHECK(one.copy() == std::vector<ShareableValue>{"only"});
    one.shm().unlink();
    list.shm().unlink();
}

TEST_CASE("Items of a ShareableList are read as values of their type", "[shareable_list]") {
    const std::vector<std::byte> raw{std::byte{1}, std::byte{2}};
    const ShareableList list{300, 2.5, true, "text", raw, nullptr};
    const int number = list[0];
    const double real = list[1];
    const bool flag = list[2];
    const std::string text = list[3];
    const std::vector<std::byte> bytes = list[4];
    CHECK(number == 300);
    CHECK(real == 2.5);
    CHECK(flag);
    CHECK(text == "text");
    CHECK(bytes == raw);
    int assigned_number = 0;
    std::string assigned_text;
    assigned_number = list[0];
    assigned_text = list[3];
    CHECK(assigned_number == 300);
    CHECK(assigned_text == std::string(list[3]));
    CHECK(static_cast<float>(list[1]) == 2.5F);
    CHECK(list[0].as<unsigned short>() == 300);
    CHECK(list.at(0).as<long long>() == 300);
    CHECK(ShareableValue(list[4]) == raw);

    const auto refuses = [&]<class T>(std::ptrdiff_t index, T) {
        CHECK_THROWS_AS(static_cast<T>(list[index]), mp::ValueError);
    };
    refuses(0, std::uint8_t{});  // 300 does not fit
    refuses(0, double{});
    refuses(1, int{});
    refuses(2, int{});
    refuses(0, bool{});
    refuses(0, std::string{});
    refuses(3, bytes);
    refuses(5, int{});
    list[0] = -1;
    refuses(0, unsigned{});
    static_assert(!std::convertible_to<ShareableList::Reference, const char*>);
    static_assert(!std::convertible_to<ShareableList::Reference, char>);
    list.shm().unlink();
}

TEST_CASE("Items of a ShareableList are compared with values and with one another",
          "[shareable_list]") {
    const ShareableList list{1, 2.5, true, "text", 1};
    CHECK(list[0] == 1);
    CHECK(1 == list[0]);
    CHECK(list[0] == std::int64_t{1});
    CHECK(list[0] != 2);
    CHECK(list[1] == 2.5);
    CHECK(list[2] == true);
    CHECK(list[3] == "text");
    CHECK(list[3] == std::string("text"));
    CHECK(std::string_view("text") == list[3]);
    CHECK(list[3] != nullptr);
    CHECK(list[0] == list[4]);
    CHECK(list[0] != list[2]);
    CHECK(list[0] == list.at(4));
    CHECK_FALSE(list[0] == 1.0);
    list[1] = list[0] = list[3] = 7;
    CHECK(list[0] == 7);
    CHECK(list[1] == list[3]);
    list.shm().unlink();
}

TEST_CASE("A ShareableList is a range of its items", "[shareable_list]") {
    static_assert(std::ranges::random_access_range<const ShareableList>);
    static_assert(std::ranges::sized_range<const ShareableList>);
    static_assert(
        std::same_as<std::ranges::range_reference_t<ShareableList>, ShareableList::Reference>);
    const ShareableList list{1, 2, 3};
    int sum = 0;
    for (const int each : list)
        sum += each;
    CHECK(sum == 6);
    for (auto each : list)
        each = each.as<int>() * 10;
    CHECK(std::ranges::equal(list, std::vector{10, 20, 30}));
    CHECK(std::ranges::find(list, 20) - list.begin() == 1);
    CHECK(std::vector<int>(list.begin(), list.end()) == std::vector{10, 20, 30});
    CHECK(*std::ranges::prev(list.end()) == 30);
    CHECK(list.begin()[1] == 20);
    CHECK(list.begin() < list.end());
    CHECK(2 + list.begin() == list.end() - 1);
    auto place = list.begin();
    CHECK(*place++ == 10);
    CHECK(*place-- == 20);
    CHECK(*place == 10);
    std::ranges::reverse(list);
    CHECK(std::ranges::equal(list, std::vector{30, 20, 10}));
    list.shm().unlink();
}

TEST_CASE("Whoever finds a ShareableList finds it whole", "[shareable_list]") {
    const std::string name = unused_name();
    for (int round = 0; round < 5; ++round) {
        const pid_t maker = fork_child([&] {
            const ShareableList list({std::string(9'000'000, 'x'), 1, "two"}, name);
        });
        REQUIRE(eventually([&] { return exists(name); }));
        const ShareableList list(name);
        CHECK(list.size() == 3);
        if (list.size() == 3)
            CHECK(list[2] == "two");
        ::waitpid(maker, nullptr, 0);
        list.shm().unlink();
    }
}

TEST_CASE("ShareableList is made under a name of items that were computed", "[shareable_list]") {
    const std::string name = unused_name();
    const std::vector<ShareableValue> items{1, "two", 3.0};
    const ShareableList list(items, name);
    CHECK(list.shm().name() == name);
    CHECK(ShareableList(name).copy() == items);
    list.shm().unlink();
}

TEST_CASE("ShareableList refuses a text whose format has no room", "[shareable_list]") {
    const ShareableList most({std::string(9'999'991, 'x'), ""});
    CHECK(most.format() == "9999992s8s");
    most.shm().unlink();
    CHECK_THROWS_AS(ShareableList({std::string(9'999'992, 'x'), ""}), mp::ValueError);
}

TEST_CASE("A block that holds no list is refused, whatever is in it", "[shareable_list]") {
    const ShareableList list{1, "some text", 3};
    const auto memory = list.shm().buf();
    const std::vector<std::byte> whole(memory.begin(), memory.end());
    std::mt19937 random(5);
    int refused = 0;
    for (int round = 0; round < 2000; ++round) {
        std::ranges::copy(whole, memory.begin());
        for (int i = 0; i < 3; ++i)
            memory[random() % memory.size()] = static_cast<std::byte>(random());
        try {
            (void)ShareableList(list.shm().name()).copy();
        } catch (const mp::ValueError&) {
            ++refused;
        }
    }
    CHECK(refused > 100);
    list.shm().unlink();
}
