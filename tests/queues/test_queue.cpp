// SPDX-License-Identifier: BSL-1.0
// Queue, JoinableQueue and SimpleQueue: order, limits, deadlines, memory, and deaths at any moment.
#include "support/catch.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <multiprocessing/connection.hpp>
#include <multiprocessing/queues.hpp>

#include "support/child.hpp"
#include "support/process.hpp"
#include "support/random.hpp"
#include "support/sanitized.hpp"

namespace {

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using test_support::end_of;
using test_support::eventually;
using test_support::fork_child;
using test_support::scaled;

struct Order {
    int id = 0;
    std::string what;
    friend bool operator==(const Order&, const Order&) = default;
};

/// How many calls of posix_fallocate succeed until one fails; none fails while it is below 0.
int allocations_until_failure = -1;

/// Cannot be written when it refuses.
struct Refusing {
    bool refuse = false;
    template <class Archive>
    void serialize(Archive&, unsigned) {
        if (refuse)
            throw std::runtime_error("refused");
    }
};

/// Large blocks between small members: they are copied straight into the queue.
struct Picture {
    bool ready = false;
    std::string title;
    std::vector<double> pixels;
    std::array<std::vector<char>, 2> rows;
    std::pair<std::filesystem::path, std::tuple<long, std::u16string>> more;
    friend bool operator==(const Picture&, const Picture&) = default;
};
static_assert(mp::detail::flat<Picture> && mp::detail::flat<std::vector<int>>);
static_assert(!mp::detail::flat<std::vector<std::string>> && !mp::detail::flat<Refusing>);

/// The queue as one whose items are a U.
template <class U, class T>
mp::Queue<U> taken_for(const mp::Queue<T>& queue) {
    mp::detail::heap_buffer name;
    mp::detail::save(name, queue);
    mp::detail::input_cursor cursor(name.bytes());
    return mp::detail::load<mp::Queue<U>>(cursor);
}

/// Counters that forked children share with the test.
template <class T>
class shared_counters {
  public:
    explicit shared_counters(std::size_t count)
        : size_(count * sizeof(std::atomic<T>)),
          memory_(static_cast<std::atomic<T>*>(
              ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
    shared_counters(const shared_counters&) = delete;
    shared_counters& operator=(const shared_counters&) = delete;
    ~shared_counters() { ::munmap(memory_, size_); }
    std::atomic<T>& operator[](std::size_t i) const { return memory_[i]; }

  private:
    std::size_t size_;
    std::atomic<T>* memory_;
};

/// The pages of all queues of this process, in bytes.
std::size_t pages_of_queues() {
    std::size_t pages = 0;
    for (const auto& [fd, target] : test_support::descriptors()) {
        struct stat status {};
        if (target.find("multiprocessing-shared") != target.npos && ::fstat(fd, &status) == 0)
            pages += static_cast<std::size_t>(status.st_blocks) * 512;
    }
    return pages;
}

}  // namespace

/// Stands before the C library's.
extern "C" int posix_fallocate(int fd, off_t offset, off_t size) {
    if (allocations_until_failure == 0)
        return ENOMEM;
    if (allocations_until_failure > 0)
        --allocations_until_failure;
    return ::fallocate(fd, 0, offset, size) == 0 ? 0 : errno;
}

TEST_CASE("A queue gives back what was put, in order, of every kind and size", "[queues]") {
    const mp::Queue<std::string> texts;
    std::vector<std::string> sent;
    for (std::size_t size = 0; size < 3'000'000; size = size * 3 + 1)
        sent.emplace_back(size, static_cast<char>('a' + size % 26));
    for (const auto& text : sent)
        texts.put(text);
    CHECK(texts.qsize() == sent.size());
    for (const auto& text : sent)
        CHECK((texts.get() == text));
    CHECK(texts.empty());

    const mp::Queue<Order> orders(3);
    orders.put({1, "b"});
    orders.put({.id = 2, .what = "c"}, 5s);
    CHECK(orders.get() == Order{1, "b"});
    CHECK(orders.get(1s) == Order{2, "c"});
    const mp::SimpleQueue<bool> flags;
    flags.put(true);
    CHECK_FALSE(flags.empty());
    CHECK(flags.get());
}

TEST_CASE("put and get take Python's block and timeout", "[queues]") {
    const mp::Queue<int> queue(1);
    queue.put(1, false);
    CHECK_THROWS_AS(queue.put(2, false), mp::Full);
    CHECK_THROWS_AS(queue.put(2, true, 1ms), mp::Full);
    CHECK_THROWS_AS(queue.put(2, false, std::chrono::hours(1)), mp::Full);
    CHECK(queue.get(true) == 1);
    CHECK_THROWS_AS(queue.get(false), mp::Empty);
    CHECK_THROWS_AS(queue.get(true, 1ms), mp::Empty);
    CHECK_THROWS_AS(queue.get(false, std::chrono::hours(1)), mp::Empty);
    queue.put(3, true);
    CHECK(queue.get(false) == 3);
}

TEST_CASE("Blocks of every size inside an item arrive as they were", "[queues]") {
    const mp::Queue<Picture> pictures;
    std::vector<Picture> sent;
    for (const std::size_t size : {0u, 1u, 511u, 512u, 513u, 4095u, 4096u, 4097u, 70'001u}) {
        Picture picture{size % 2 == 1, std::string(size, 't'), std::vector<double>(size), {}, {}};
        std::iota(picture.pixels.begin(), picture.pixels.end(), 0.5);
        picture.rows = {std::vector<char>(size, 'a'), std::vector<char>(size + 1, 'b')};
        picture.more = {std::string(size, 'p'), {static_cast<long>(size), {u'x', u'y'}}};
        pictures.put(picture);
        sent.push_back(picture);

        // the bytes are those of any other channel, with the same gaps
        mp::detail::heap_buffer whole;
        mp::detail::gathering_buffer gathered;
        mp::detail::save(whole, picture);
        mp::detail::save(gathered, picture);
        std::vector<std::byte> copy(gathered.whole_size());
        gathered.copy_to(copy.data());
        CHECK(std::ranges::equal(whole.bytes(), copy));
        CHECK((size < 4096 || gathered.size() < size));
    }
    for (const Picture& picture : sent)
        CHECK((pictures.get() == picture));
}

TEST_CASE("An item that cannot be read is gone, and the next one comes", "[queues]") {
    const mp::Queue<std::pair<char, char>> wrong;
    const auto flags = taken_for<std::pair<bool, bool>>(wrong);
    const auto texts = taken_for<std::vector<std::string>>(wrong);
    wrong.put({1, 2});
    wrong.put({3, 4});
    wrong.put({0, 1});
    CHECK_THROWS_AS(flags.get(), mp::UnpicklingError);
    CHECK_THROWS_AS(texts.get(), mp::UnpicklingError);
    CHECK((flags.get(10s) == std::pair(false, true)));
    const auto large = taken_for<std::pair<std::pair<char, char>, bool>>(wrong);
    large.put({{0, 1}, true});
    CHECK_THROWS_AS(flags.get(), mp::UnpicklingError);
    CHECK(wrong.empty());
}

TEST_CASE("A queue works where addresses and file sizes are limited", "[queues]") {
    const pid_t child = fork_child([] {
        const rlimit little{256 << 20, 256 << 20};
        ::setrlimit(RLIMIT_FSIZE, &little);
        const mp::Queue<std::string> queue;
        queue.put(std::string(1 << 20, 'x'));
        if (queue.get().size() != 1 << 20)
            ::_exit(2);
        const std::string large(10 << 20, 'y');
        queue.put(large);
        try {
            for (int i = 0; i < 10; ++i)
                queue.put(large);
            ::_exit(3);
        } catch (const std::system_error&) {
        }
        if (queue.get() != large)
            ::_exit(4);
    });
    CHECK(end_of(child) == 0);
}

TEST_CASE("A queue keeps its order through jumps of every shape", "[queues]") {
    // Sizes and turns at random bring the log back to its beginning, up again, and both at once.
    std::mt19937 random(17);
    const mp::Queue<std::vector<unsigned>> queue;
    unsigned put = 0;
    unsigned got = 0;
    for (int phase = 0; phase < 300; ++phase) {
        const int puts = static_cast<int>(random() % 60);
        const int gets = static_cast<int>(random() % 60);
        for (int i = 0; i < puts; ++i) {
            std::vector<unsigned> item(1 + random() % (random() % 10 == 0 ? 60'000 : 900));
            std::iota(item.begin(), item.end(), put++);
            queue.put(item);
        }
        for (int i = 0; i < gets && got < put; ++i) {
            const auto item = queue.get();
            REQUIRE(item.front() == got++);
            REQUIRE(item.back() == item.front() + item.size() - 1);
        }
        REQUIRE(queue.qsize() == put - got);
    }
    while (got < put)
        REQUIRE(queue.get().front() == got++);
    CHECK(queue.empty());
}

TEST_CASE("A bounded queue throws Full and Empty when the time has passed, not before",
          "[queues]") {
    const mp::Queue<int> queue(2);
    CHECK_THROWS_AS(queue.get_nowait(), mp::Empty);
    CHECK_THROWS_AS(queue.get(0ms), mp::Empty);
    queue.put(1);
    queue.put_nowait(2);
    CHECK(queue.full());
    CHECK_THROWS_AS(queue.put_nowait(3), mp::Full);
    const auto begin = clock_type::now();
    CHECK_THROWS_AS(queue.put(3, 150ms), mp::Full);
    CHECK(clock_type::now() - begin >= 150ms);
    CHECK(queue.get() == 1);
    queue.put(3, -1s);
    CHECK(queue.get() == 2);
    CHECK(queue.get() == 3);
    const auto later = clock_type::now();
    CHECK_THROWS_AS(queue.get(150ms), mp::Empty);
    CHECK(clock_type::now() - later >= 150ms);
}

TEST_CASE("put waits for room and get for an item, and each is woken by the other", "[queues]") {
    const mp::Queue<int> there(1);
    const mp::Queue<int> back(1);
    const pid_t child = fork_child([&] {
        for (int i = 0; i < 2000; ++i)
            back.put(there.get() + 1);
    });
    for (int i = 0; i < 2000; ++i) {
        there.put(i);
        REQUIRE(back.get() == i + 1);
    }
    CHECK(end_of(child) == 0);
}

TEST_CASE("A process that has put a lot ends without a reader", "[queues]") {
    const mp::Queue<std::string> queue;
    const pid_t child = fork_child([&] {
        for (int i = 0; i < 100; ++i)
            queue.put(std::string(100'000, 'x'));
    });
    CHECK(end_of(child) == 0);
    CHECK(queue.qsize() == 100);
    for (int i = 0; i < 100; ++i)
        CHECK(queue.get().size() == 100'000);
}

TEST_CASE("A closed queue is closed in its process alone", "[queues]") {
    const mp::Queue<int> queue;
    const auto copy = queue;
    CHECK(copy == queue);
    CHECK_THROWS_AS(queue.join_thread(), mp::ValueError);
    const pid_t child = fork_child([&] { queue.close(); });
    CHECK(end_of(child) == 0);
    queue.put(1);
    copy.close();
    CHECK_THROWS_AS(queue.put(1), mp::ValueError);
    CHECK_THROWS_AS(queue.get(), mp::ValueError);
    CHECK_THROWS_AS(queue.get_nowait(), mp::ValueError);
    queue.join_thread();
    queue.cancel_join_thread();
    CHECK(queue.qsize() == 1);
}

TEST_CASE("JoinableQueue waits for tasks that are done, and counts them", "[queues]") {
    const mp::JoinableQueue<int> queue;
    queue.join();
    CHECK_THROWS_AS(queue.task_done(), mp::ValueError);
    std::vector<pid_t> workers;
    for (int i = 0; i < 4; ++i)
        workers.push_back(fork_child([&] {
            while (queue.get() >= 0)
                queue.task_done();
            queue.task_done();
        }));
    for (int round = 0; round < 50; ++round) {
        for (int i = 0; i < 10; ++i)
            queue.put(i);
        queue.join();
        CHECK(queue.empty());
    }
    queue.put(1);
    CHECK(queue.join(10s));
    for (int i = 0; i < 4; ++i)
        queue.put(-1);
    queue.join();
    for (const pid_t worker : workers)
        CHECK(end_of(worker) == 0);
    queue.put(5);
    CHECK_FALSE(queue.join(50ms));
    CHECK(queue.get() == 5);
    queue.task_done();
    CHECK_THROWS_AS(queue.task_done(), mp::ValueError);
}

TEST_CASE("Memory that runs out now and then costs a queue the put that finds none", "[queues]") {
    std::mt19937 random(11);
    for (int round = 0; round < 20; ++round) {
        const mp::Queue<std::vector<char>> queue;
        std::deque<std::vector<char>> expected;
        for (int i = 0; i < 60; ++i) {
            if (random() % 3 != 0) {
                std::vector<char> item(random() % 2'000'000, static_cast<char>(random()));
                allocations_until_failure = random() % 2 == 0 ? static_cast<int>(random() % 3) : -1;
                try {
                    queue.put(item);
                    expected.push_back(std::move(item));
                } catch (const std::system_error& full) {
                    CHECK(full.code().value() == ENOMEM);
                }
                allocations_until_failure = -1;
            }
            while (!expected.empty() && random() % 4 != 0) {
                REQUIRE(queue.get(0ms) == expected.front());
                expected.pop_front();
            }
            REQUIRE(queue.qsize() == expected.size());
        }
    }
}

TEST_CASE("A put that finds no memory leaves the items before it", "[queues]") {
    const std::vector<char> item((1 << 20) - 64, 'x');
    // What a queue that was emptied keeps lies here and there, by how much went through it.
    for (int more = 0; more < 20; ++more) {
        INFO(more << " items more");
        const mp::Queue<std::vector<char>> queue;
        for (int i = 0; i < 12; ++i)
            queue.put(item);
        for (int i = 0; i < 11; ++i)
            (void)queue.get();
        for (int i = 0; i < more; ++i) {
            queue.put(item);
            (void)queue.get();
        }
        (void)queue.get();
        for (int i = 0; i < 12; ++i) {
            allocations_until_failure = 1;
            try {
                queue.put(item);
            } catch (const std::system_error&) {
                break;
            }
        }
        allocations_until_failure = -1;
        while (!queue.empty())
            REQUIRE(queue.get(0ms) == item);
        queue.put(item);
        REQUIRE(queue.get(0ms) == item);
    }
}

TEST_CASE("What a full queue refuses is kept alive by nobody", "[queues]") {
    const mp::Queue<mp::Connection> queue(1);
    auto [near, far] = mp::Pipe();
    auto [first, other] = mp::Pipe();
    queue.put(first);
    for (int i = 0; i < 3; ++i) {
        CHECK_THROWS_AS(queue.put_nowait(near), mp::Full);
        CHECK_THROWS_AS(queue.put(near, 1ms), mp::Full);
    }
    near.close();
    REQUIRE(far.poll(5s));
    CHECK_THROWS_AS(far.recv<int>(), mp::EOFError);
}

TEST_CASE("An item that fails half way keeps nothing open", "[queues]") {
    const mp::Queue<std::vector<mp::reduction::DupFd>> queue;
    const auto [reader, writer] = mp::Pipe();
    {
        const std::vector<mp::reduction::DupFd> half{mp::reduction::DupFd(writer.fileno()), {}};
        writer.close();
        CHECK_THROWS_AS(queue.put(half), mp::PicklingError);
    }
    CHECK(queue.empty());
    REQUIRE(reader.poll(5s));
    CHECK_THROWS_AS(reader.recv<int>(), mp::EOFError);
}

TEST_CASE("Queues that are no more leave nothing in their process", "[queues]") {
    if (test_support::sanitized)
        return;  // freed memory is kept there
    const auto make = [](int count) {
        for (int i = 0; i < count; ++i)
            (void)mp::Queue<int>();
    };
    make(2000);
    const std::size_t before = test_support::resident_kib();
    make(20'000);
    CHECK(test_support::resident_kib() - std::min(before, test_support::resident_kib()) < 1500);
}

TEST_CASE("A queue is sent to a process that ran before it existed, through a queue", "[queues]") {
    const mp::Queue<mp::Queue<int>> mail;
    const pid_t child = fork_child([&] {
        const auto queue = mail.get();
        queue.put(queue.get() + 1);
    });
    const mp::Queue<int> queue;
    queue.put(41);
    mail.put(queue);
    CHECK(end_of(child) == 0);
    CHECK(queue.get() == 42);
    CHECK(mp::loads<mp::Queue<int>>(mp::dumps(queue)) == queue);
}

TEST_CASE("A queue that is empty again gives its memory back", "[queues]") {
    const mp::Queue<std::vector<char>> queue;
    const std::vector<char> item(100'000, 'x');
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 1000; ++i)
            queue.put(item);
        CHECK(pages_of_queues() > 90'000'000);
        for (int i = 0; i < 1000; ++i)
            REQUIRE(queue.get() == item);
        CHECK(pages_of_queues() < 10'000'000);
    }
}

TEST_CASE("A queue that is never empty uses a few times the memory of what it holds", "[queues]") {
    const mp::Queue<std::vector<char>> queue;
    const std::vector<char> item(50'000, 'x');
    for (int i = 0; i < 20; ++i)
        queue.put(item);
    std::size_t most = 0;
    for (int i = 0; i < 5000; ++i) {
        queue.put(item);
        (void)queue.get();
        most = std::max(most, pages_of_queues());
    }
    CHECK(most < 10'000'000);
}

TEST_CASE("An item that cannot be pickled is not put", "[queues]") {
    const mp::Queue<Refusing> queue(1);
    CHECK_THROWS_WITH(queue.put({true}), "refused");
    CHECK(queue.empty());
    queue.put({false});
    CHECK(queue.full());
}

TEST_CASE("Four putters and four takers, in processes: sums, counts and orders are right",
          "[queues][stress]") {
    const int items = scaled(50'000);
    const int limit = GENERATE(0, 100);
    const mp::Queue<std::pair<int, int>> queue(limit);
    const shared_counters<long> sums(4);
    const shared_counters<long> faults(1);
    std::vector<pid_t> processes;
    for (int p = 0; p < 4; ++p)
        processes.push_back(fork_child([&, p] {
            for (int i = 0; i < items; ++i)
                queue.put({p, i});
        }));
    std::vector<pid_t> takers;
    for (std::size_t t = 0; t < 4; ++t)
        takers.push_back(fork_child([&, t] {
            std::map<int, int> last;
            for (;;) {
                const auto [putter, number] = queue.get();
                if (putter < 0)
                    return;
                if (const auto before = last.find(putter);
                    before != last.end() && before->second >= number)
                    ++faults[0];
                last[putter] = number;
                sums[t] += number + 1;
            }
        }));
    for (const pid_t pid : processes)
        CHECK(end_of(pid) == 0);
    for (int i = 0; i < 4; ++i)
        queue.put({-1, 0});
    for (const pid_t pid : takers)
        CHECK(end_of(pid) == 0);
    CHECK(faults[0] == 0);
    const long expected = 4L * items * (items + 1L) / 2;
    CHECK(sums[0] + sums[1] + sums[2] + sums[3] == expected);
    CHECK(queue.empty());
}

TEST_CASE(
    "Putters and takers killed at random lose at most the item in their hands, and nobody "
    "gets one twice",
    "[queues][crash]") {
    const int rounds = scaled(60);
    const std::size_t width = 20'000'000;  // pages that nobody touches cost nothing
    const int limit = GENERATE(0, 20);
    std::mt19937 random(23);
    const mp::Queue<std::vector<int>> queue(limit);
    const shared_counters<int> taken(width);      // how often each number was taken
    const shared_counters<int> next(1);           // the next number that a putter puts
    const shared_counters<int> confirmed(width);  // put has returned for it
    const auto putter = [&] {
        for (;;) {
            const int number = next[0]++;
            if (static_cast<std::size_t>(number) >= width)
                ::_exit(3);
            const auto size = static_cast<std::size_t>(number);
            queue.put(std::vector<int>(size % 16 == 0 ? 20'000 : 1 + size % 100, number));
            confirmed[static_cast<std::size_t>(number)] = 1;
        }
    };
    const auto taker = [&] {
        for (;;) {
            const std::vector<int> item = queue.get();
            // all alike; compared without a loop, which sanitizers would make slower than the queue
            if (std::memcmp(item.data(), item.data() + 1, (item.size() - 1) * sizeof(int)) != 0)
                ::_exit(4);
            ++taken[static_cast<std::size_t>(item.front())];
        }
    };
    int kills = 0;
    int killed_takers = 0;
    std::vector<pid_t> putters{fork_child(putter), fork_child(putter)};
    std::vector<pid_t> takers{fork_child(taker), fork_child(taker), fork_child(taker)};
    for (int round = 0; round < rounds && static_cast<std::size_t>(next[0]) < width / 2; ++round) {
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        const bool kill_taker = random() % 2 == 0;
        auto& victims = kill_taker ? takers : putters;
        pid_t& victim = victims[random() % victims.size()];
        ::kill(victim, SIGKILL);
        CHECK(end_of(victim) == -SIGKILL);
        ++kills;
        killed_takers += kill_taker ? 1 : 0;
        victim = kill_taker ? fork_child(taker) : fork_child(putter);
    }
    for (const pid_t pid : putters) {
        ::kill(pid, SIGKILL);
        (void)end_of(pid);
    }
    // the takers empty it: nobody is stranded
    CHECK(eventually([&] { return queue.empty(); }, 20s));
    std::this_thread::sleep_for(20ms);
    for (const pid_t pid : takers) {
        ::kill(pid, SIGKILL);
        (void)end_of(pid);
    }
    CHECK(queue.empty());
    int lost = 0;
    int twice = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(next[0]) && i < width; ++i) {
        lost += confirmed[i] == 1 && taken[i] == 0 ? 1 : 0;
        twice += taken[i] > 1 ? 1 : 0;
    }
    CHECK(twice == 0);
    CHECK(lost <= killed_takers + 3);
    CHECK(kills > 10);
    queue.put({1});
    CHECK(queue.get() == std::vector<int>{1});
}

TEST_CASE("A stopped process that holds a queue's lock delays a call to its deadline, not for ever",
          "[queues]") {
    const mp::Queue<std::vector<char>> queue;
    const std::vector<char> large(32 << 20, 'x');
    const pid_t child = fork_child([&] {
        for (;;) {
            queue.put(large);
            (void)queue.get();
        }
    });
    std::mt19937 random(5);
    for (int i = 0; i < 20; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1 + random() % 10));
        ::kill(child, SIGSTOP);
        const auto begin = clock_type::now();
        try {
            queue.put({'y'}, 10ms);
        } catch (const mp::Full&) {
        }
        CHECK(clock_type::now() - begin < 5s);
        ::kill(child, SIGCONT);
    }
    ::kill(child, SIGKILL);
    CHECK(end_of(child) == -SIGKILL);
}
