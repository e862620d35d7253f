// SPDX-License-Identifier: BSL-1.0
// Connection and Pipe: values and bytes, closing, errors, threads, interrupts.
#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <map>
#include <optional>
#include <system_error>

#include "connection/connection_tools.hpp"

using namespace connection_test;
using namespace std::string_literals;

namespace {

struct Point {
    double x, y;
    std::string label;
};

struct Refuses {
    int i = 0;
    template <class Archive>
    void serialize(Archive&, unsigned) {
        throw mp::PicklingError("not today");
    }
};

}  // namespace

TEST_CASE("Values arrive as they were sent, in order, both ways", "[connection]") {
    const auto [left, right] = mp::Pipe();
    left.send(Point{1, 2, "a"});
    left.send(std::map<std::string, std::vector<int>>{{"k", {1, 2, 3}}});
    left.send("literal");
    right.send(7);
    const auto p = right.recv<Point>();
    CHECK(p.x == 1);
    CHECK(p.label == "a");
    CHECK(right.recv<std::map<std::string, std::vector<int>>>().at("k").size() == 3);
    CHECK(right.recv<std::string>() == "literal");
    CHECK(left.recv<int>() == 7);
}

TEST_CASE("A value of another type is an UnpicklingError, and the next one arrives",
          "[connection]") {
    const auto [left, right] = mp::Pipe();
    left.send(1);
    left.send_bytes(bytes_of("no value"));
    left.send_bytes({});
    left.send(2);
    CHECK_THROWS_AS(right.recv<std::string>(), mp::UnpicklingError);
    CHECK_THROWS_AS(right.recv<int>(), mp::UnpicklingError);
    CHECK_THROWS_AS(right.recv<int>(), mp::UnpicklingError);
    CHECK(right.recv<int>() == 2);
}

TEST_CASE("A value that cannot be pickled sends nothing", "[connection]") {
    const auto [left, right] = mp::Pipe();
    CHECK_THROWS_AS(left.send(Refuses{}), mp::PicklingError);
    CHECK_FALSE(right.poll());
    left.send(1);
    CHECK(right.recv<int>() == 1);
}

TEST_CASE("Messages of many lengths stay apart", "[connection]") {
    const auto [left, right] = mp::Pipe();
    const std::vector<std::size_t> sizes{0,    1,     4096,  4097,   4108,   4109,    4112,
                                         4113, 16384, 16385, 262144, 262145, 5 << 20, 3};
    std::thread sender([&, left = left] {
        for (const std::size_t size : sizes)
            left.send_bytes(pattern(size, 9));
    });
    for (const std::size_t size : sizes)
        CHECK(right.recv_bytes() == pattern(size, 9));
    sender.join();
}

TEST_CASE("A message beyond two gibibytes has the long length", "[connection]") {
    RawPair raw;  // the bytes themselves would be too many: only the header is looked at
    raw.write("\xff\xff\xff\xff\0\0\0\1\0\0\0\0"s + "abc");
    raw.close();
    CHECK_THROWS_AS(raw.connection.recv_bytes(), mp::EOFError);
}

TEST_CASE("The bytes on the wire are Python's", "[connection]") {
    RawPair raw;
    raw.connection.send_bytes(bytes_of("hello"));
    CHECK(raw.read(9) == "\0\0\0\5hello"s);
    raw.connection.send_bytes({});
    CHECK(raw.read(4) == "\0\0\0\0"s);
    raw.write("\0\0\0\2ok"s);
    CHECK(text_of(raw.connection.recv_bytes()) == "ok");
}

TEST_CASE("The other end closed is an EOFError of both directions, and no signal", "[connection]") {
    const auto [left, right] = mp::Pipe();
    right.send(1);
    right.close();
    CHECK_THROWS_AS(left.send(1), mp::EOFError);
    CHECK(left.poll());
    CHECK(left.recv<int>() == 1);
    CHECK(left.poll());
    CHECK_THROWS_AS(left.recv<int>(), mp::EOFError);
    CHECK_THROWS_AS(left.recv_bytes(), mp::EOFError);
    CHECK_THROWS_AS(left.send_bytes(bytes_of("x")), mp::EOFError);
}

TEST_CASE("An end that closes in the middle of a message is an EOFError", "[connection]") {
    const std::string part = GENERATE("\0"s, "\0\0\0\5"s, "\0\0\0\5hell"s, "\xff\xff\xff\xff\0"s);
    RawPair raw;
    raw.write(part);
    raw.close();
    CHECK_THROWS_WITH(raw.connection.recv_bytes(), Catch::Matchers::Contains("in the middle"));
    CHECK_THROWS_AS(raw.connection.recv<int>(), mp::EOFError);
}

TEST_CASE("A bad length makes an end useless for receiving alone", "[connection]") {
    RawPair raw;
    raw.write("\x80\0\0\0rest"s);
    CHECK(error_of([&] { (void)raw.connection.recv_bytes(); }) == EMSGSIZE);
    CHECK_FALSE(raw.connection.readable());
    CHECK_THROWS_AS(raw.connection.recv_bytes(), mp::ValueError);
    CHECK_THROWS_AS(raw.connection.poll(), mp::ValueError);
    raw.connection.send_bytes(bytes_of("x"));
    CHECK(raw.read(5) == "\0\0\0\1x"s);
}

TEST_CASE("maxlength refuses longer messages; a read-only end is then closed", "[connection]") {
    const auto [left, right] = mp::Pipe();
    left.send_bytes(bytes_of("12345"));
    left.send_bytes(bytes_of("123456"));
    CHECK(right.recv_bytes(5).size() == 5);
    CHECK(error_of([&, right = right] { (void)right.recv_bytes(5); }) == EMSGSIZE);
    CHECK_FALSE(right.readable());
    CHECK_FALSE(right.closed());

    const auto [reader, writer] = mp::Pipe(false);
    writer.send_bytes(bytes_of("123"));
    CHECK(error_of([&, reader = reader] { (void)reader.recv_bytes(2); }) == EMSGSIZE);
    CHECK(reader.closed());
}

TEST_CASE("Copies name the same end: closed in one, closed in all", "[connection]") {
    auto [left, right] = mp::Pipe();
    const Connection copy = left;
    CHECK(copy == left);
    CHECK(copy != right);
    CHECK(copy.fileno() == left.fileno());
    copy.close();
    CHECK(left.closed());
    left.close();
    CHECK_THROWS_AS(left.fileno(), mp::ValueError);
    CHECK_THROWS_AS(left.send(1), mp::ValueError);
    CHECK_THROWS_AS(left.recv<int>(), mp::ValueError);
    CHECK_THROWS_AS(left.poll(), mp::ValueError);
    CHECK_THROWS_AS(right.recv<int>(), mp::EOFError);
    CHECK(Connection().closed());
    CHECK_FALSE(Connection().readable());
    CHECK_THROWS_AS(Connection().send(1), mp::ValueError);
    Connection().close();
}

TEST_CASE("The last copy closes the descriptor", "[connection]") {
    auto [left, right] = mp::Pipe();
    { const Connection moved = std::exchange(left, Connection()); }
    CHECK_THROWS_AS(right.recv<int>(), mp::EOFError);
}

TEST_CASE("close() ends a call that another thread is in", "[connection]") {
    const auto [left, right] = mp::Pipe();
    std::atomic<bool> refused{false};
    std::thread receiver([&, right = right] {
        try {
            (void)right.recv<int>();
        } catch (const mp::ValueError&) {
            refused = true;
        }
    });
    REQUIRE(eventually(somebody_polls));
    right.close();
    receiver.join();
    CHECK(refused);
    CHECK_THROWS_AS(left.recv<int>(), mp::EOFError);
}

TEST_CASE("close() ends a call that never has to wait", "[connection]") {
    const auto [left, right] = mp::Pipe();
    const int source = ::dup(left.fileno());
    const int sink = ::dup(right.fileno());
    std::atomic<bool> leave{false};
    std::thread flood([&] {  // of a message that does not end
        const unsigned char head[12] = {255, 255, 255, 255, 0, 0, 1, 0, 0, 0, 0, 0};
        (void)!::send(source, head, sizeof head, MSG_NOSIGNAL);
        const std::vector<char> more(1 << 16);
        while (!leave && ::send(source, more.data(), more.size(), MSG_NOSIGNAL) > 0) {
        }
    });
    std::atomic<bool> refused{false};
    std::thread receiver([&, right = right] {
        try {
            (void)right.recv_bytes();
        } catch (const mp::ValueError&) {
            refused = true;
        }
    });
    std::this_thread::sleep_for(50ms);
    right.close();
    receiver.join();
    CHECK(refused);
    leave = true;
    ::shutdown(sink, SHUT_RDWR);
    flood.join();
    ::close(source);
    ::close(sink);
}

TEST_CASE("close() ends a poll that another thread is in", "[connection]") {
    const auto [left, right] = mp::Pipe();
    std::thread closer([end = left] {
        std::this_thread::sleep_for(50ms);
        end.close();
    });
    CHECK_THROWS_AS(left.poll(10s), mp::ValueError);
    closer.join();
}

TEST_CASE("Descriptors are closed on exec and no signal is raised by a closed end",
          "[connection]") {
    const auto [left, right] = mp::Pipe();
    CHECK((::fcntl(left.fileno(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(right.fileno(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(left.fileno(), F_GETFL) & O_NONBLOCK) == 0);  // as foreign programs expect it
}

TEST_CASE("Messages of several threads stay whole", "[connection]") {
    constexpr int threads = 4;
    constexpr int count = 200;
    const auto [left, right] = mp::Pipe();
    std::vector<std::thread> senders;
    for (int t = 0; t < threads; ++t)
        senders.emplace_back([left = left, t] {
            for (int i = 0; i < count; ++i)
                left.send(std::vector<int>(static_cast<std::size_t>(i * 50), t));
        });
    std::atomic<int> received{0};
    std::atomic<bool> whole{true};
    std::vector<std::thread> receivers;
    for (int t = 0; t < 2; ++t)
        receivers.emplace_back([&, right = right] {
            for (int i = 0; i < threads * count / 2; ++i) {
                const auto message = right.recv<std::vector<int>>();
                for (const int element : message)
                    whole = whole && element == message.front();
                ++received;
            }
        });
    for (auto& thread : senders)
        thread.join();
    for (auto& thread : receivers)
        thread.join();
    CHECK(whole);
    CHECK(received == threads * count);
}

TEST_CASE("An interrupt between messages loses nothing", "[connection][interrupt]") {
    const auto [left, right] = mp::Pipe();
    const mp::InterruptGuard guard;
    ::raise(SIGINT);
    CHECK_THROWS_AS(right.recv<int>(), mp::KeyboardInterrupt);
    CHECK_THROWS_AS((::raise(SIGINT), right.poll(1h)), mp::KeyboardInterrupt);
    CHECK_THROWS_AS((::raise(SIGINT), connection::wait({left, right})), mp::KeyboardInterrupt);
    left.send(5);
    CHECK(right.recv<int>() == 5);
}

TEST_CASE("An interrupt inside a message ends that direction, and the peer sees it",
          "[connection][interrupt]") {
    const auto [left, right] = mp::Pipe();
    {
        const mp::InterruptGuard guard;
        ::raise(SIGINT);
        CHECK_THROWS_AS(left.send_bytes(pattern(8 << 20, 1)), mp::KeyboardInterrupt);
    }
    CHECK_FALSE(left.writable());
    CHECK(left.readable());
    CHECK_THROWS_AS(left.send(1), mp::ValueError);
    CHECK_THROWS_WITH(right.recv_bytes(), Catch::Matchers::Contains("in the middle"));
    right.send(3);
    CHECK(left.recv<int>() == 3);

    RawPair raw;
    raw.write("\0\0\0\5he"s);
    const mp::InterruptGuard guard;
    ::raise(SIGINT);
    CHECK_THROWS_AS(raw.connection.recv_bytes(), mp::KeyboardInterrupt);
    CHECK_FALSE(raw.connection.readable());
    CHECK(raw.connection.writable());
}

TEST_CASE("A thread that waits inside a call holds no lock in a forked child", "[connection]") {
    const auto [left, right] = mp::Pipe();
    int received = 0;
    std::thread receiver([&received, right = right] { received = right.recv<int>(); });
    REQUIRE(eventually(somebody_polls));
    const Notes notes;
    const pid_t child = fork_child([&, left = left, right = right] {
        const auto [near, far] = mp::Pipe();
        right.close();  // takes the lock that the receiver holds in the parent
        note(notes.path(), "closed");
    });
    REQUIRE(notes.await(1).size() == 1);
    ::waitpid(child, nullptr, 0);
    left.send(1);
    receiver.join();
    CHECK(received == 1);
}

TEST_CASE("A process without descriptors gets an error and no half of a pipe", "[connection]") {
    rlimit before = {};
    ::getrlimit(RLIMIT_NOFILE, &before);
    std::vector<int> taken;
    const rlimit low{64, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &low);
    for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
        taken.push_back(fd);
    ::close(taken.back());  // one is free, a pipe needs two
    taken.pop_back();
    const int error = error_of([] { (void)mp::Pipe(); });
    const int again = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (const int fd : taken)
        ::close(fd);
    ::close(again);
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(error == EMFILE);
    CHECK(again >= 0);
}

TEST_CASE("A handle is taken over only when it is a stream socket", "[connection]") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    CHECK(error_of([&] { (void)Connection(ends[0]); }) == ENOTSOCK);
    CHECK(::fcntl(ends[0], F_GETFD) >= 0);
    ::close(ends[0]);
    ::close(ends[1]);
    CHECK(error_of([] { (void)Connection(12345); }) == EBADF);
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK(error_of([&] { (void)Connection(ends[0]); }) == EPROTOTYPE);
    ::close(ends[0]);
    ::close(ends[1]);
    CHECK_THROWS_AS(Connection(-1), mp::ValueError);
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK_THROWS_AS(Connection(ends[0], false, false), mp::ValueError);
    const Connection reader(ends[0], true, false);
    const Connection writer(ends[1], false, true);
    writer.send(1);
    CHECK(reader.recv<int>() == 1);
}

TEST_CASE("A peer that is killed in the middle of a message is an EOFError",
          "[connection][crash]") {
    const Watch watch;
    for (int round = 0; round < 30; ++round) {
        const auto [left, right] = mp::Pipe();
        const pid_t child = fork_child([left = left, right = right] {
            right.close();
            const auto message = pattern(200000, 1);
            for (;;)
                left.send_bytes(message);
        });
        left.close();
        CHECK(right.recv_bytes() == pattern(200000, 1));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        CHECK_THROWS_AS(([&, right = right] {
                            for (;;)
                                if (right.recv_bytes() != pattern(200000, 1))
                                    return;
                        }()),
                        mp::EOFError);
    }
}
