// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestConnection, _TestPoll, _TestPicklingConnections,
// TestInvalidHandle, TestIgnoreEINTR and of the pools that are sent connections.
#include <fcntl.h>
#include <sys/resource.h>

#include <array>
#include <csignal>
#include <system_error>

#include <multiprocessing.hpp>

#include "connection/connection_tools.hpp"

using namespace connection_test;

namespace {

const std::vector<std::byte> sentinel = bytes_of("bye");

void echo(Connection connection) {
    for (;;) {
        const auto message = connection.recv_bytes();
        if (message == sentinel)
            return;
        connection.send_bytes(message);
    }
}

}  // namespace

TEST_CASE("_TestConnection.test_connection", "[parity][connection]") {
    const Watch watch;
    auto [connection, child] = mp::Pipe();
    mp::Process process(echo, {child}, {.daemon = true, .start_method = fork_or_spawn()});
    process.start();
    child.close();

    const std::vector<double> sequence{1, 2.25, 3};
    connection.send(sequence);
    CHECK(connection.recv<std::vector<double>>() == sequence);
    connection.send_bytes(bytes_of("late arrival"));
    CHECK(text_of(connection.recv_bytes()) == "late arrival");

    // into buffers: at the beginning, at an offset, one that is too short
    std::array<std::byte, 20> buffer{};
    connection.send_bytes(bytes_of("text"));
    CHECK(connection.recv_bytes_into(buffer) == 4);
    CHECK(text_of(std::span(buffer).first(6)) == std::string("text\0\0", 6));
    connection.send_bytes(bytes_of("text"));
    CHECK(connection.recv_bytes_into(buffer, 3) == 4);
    CHECK(text_of(std::span(buffer).first(8)) == std::string("textext\0", 8));
    CHECK_THROWS_AS(connection.recv_bytes_into(buffer, 21), mp::ValueError);
    const auto longer = pattern(300000, 1);
    connection.send_bytes(longer);
    connection.send_bytes(bytes_of("next"));
    try {
        connection.recv_bytes_into(buffer);
        FAIL("a long message fit into a short buffer");
    } catch (const mp::BufferTooShort& error) {
        REQUIRE(error.message());
        CHECK(*error.message() == longer);
    }
    CHECK(text_of(connection.recv_bytes()) == "next");

    CHECK_FALSE(connection.poll());
    CHECK_FALSE(connection.poll(-1s));
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(connection.poll(50ms));
    CHECK(std::chrono::steady_clock::now() - start >= 50ms);
    connection.send_bytes({});
    CHECK(connection.poll(10s));
    CHECK(connection.recv_bytes().empty());

    const auto large = pattern(16 << 20, 7);
    connection.send_bytes(large);
    CHECK(connection.recv_bytes() == large);

    connection.send_bytes(sentinel);
    process.join();
    CHECK(connection.readable());
    CHECK(connection.writable());
    CHECK(connection.poll());
    CHECK_THROWS_AS(connection.recv<int>(), mp::EOFError);
    CHECK_THROWS_AS(connection.recv_bytes(), mp::EOFError);
}

TEST_CASE("_TestConnection.test_duplex_false", "[parity][connection]") {
    const auto [reader, writer] = mp::Pipe(false);
    writer.send(1);
    CHECK(reader.recv<int>() == 1);
    CHECK(reader.readable());
    CHECK_FALSE(reader.writable());
    CHECK_FALSE(writer.readable());
    CHECK(writer.writable());
    CHECK_THROWS_AS(reader.send(2), mp::ValueError);
    CHECK_THROWS_AS(writer.recv<int>(), mp::ValueError);
    CHECK_THROWS_AS(writer.poll(), mp::ValueError);
}

TEST_CASE("_TestConnection.test_spawn_close", "[parity][connection]") {
    const Watch watch;
    auto [connection, child] = mp::Pipe();
    mp::Process process(echo, {child}, {.daemon = true, .start_method = every_method()});
    process.start();
    child.close();  // may come before the child has begun
    connection.send_bytes(bytes_of("hello"));
    CHECK(text_of(connection.recv_bytes()) == "hello");
    connection.send_bytes(sentinel);
    connection.close();
    process.join();
    CHECK(process.exitcode() == 0);
}

TEST_CASE("_TestConnection.test_sendbytes", "[parity][connection]") {
    const auto message = bytes_of("abcdefghijklmnopqrstuvwxyz");
    const auto [a, b] = mp::Pipe();
    const auto arrives = [&, a = a, b = b](auto... range) {
        a.send_bytes(message, range...);
        return text_of(b.recv_bytes());
    };
    CHECK(arrives() == "abcdefghijklmnopqrstuvwxyz");
    CHECK(arrives(5u) == "fghijklmnopqrstuvwxyz");
    CHECK(arrives(7u, 8u) == "hijklmno");
    CHECK(arrives(26u) == "");
    CHECK(arrives(26u, 0u) == "");
    CHECK_THROWS_AS(a.send_bytes(message, 27), mp::ValueError);
    CHECK_THROWS_AS(a.send_bytes(message, 22, 5), mp::ValueError);
    CHECK_THROWS_AS(a.send_bytes(message, 26, 1), mp::ValueError);
    CHECK_THROWS_AS(a.send_bytes(message, static_cast<std::size_t>(-1)), mp::ValueError);
    CHECK_THROWS_AS(a.send_bytes(message, 4, static_cast<std::size_t>(-1)), mp::ValueError);
    CHECK_FALSE(b.poll());
}

namespace {
void write_what_is_sent(Connection connection, std::string text) {
    const int fd = mp::reduction::recv_handle(connection);
    [[maybe_unused]] const auto n = ::write(fd, text.data(), text.size());
    ::close(fd);
}
}  // namespace

TEST_CASE("_TestConnection.test_fd_transfer", "[parity][connection]") {
    const Watch watch;
    const Notes notes;
    auto [connection, child] = mp::Pipe();
    mp::Process process(write_what_is_sent, {child, "foo"},
                        {.daemon = true, .start_method = fork_or_spawn()});
    process.start();
    child.close();
    const int fd = ::open(notes.path().c_str(), O_WRONLY | O_CLOEXEC);
    mp::reduction::send_handle(connection, fd);
    ::close(fd);
    process.join();
    CHECK(notes.text() == "foo");
}

TEST_CASE("_TestConnection.test_large_fd_transfer", "[parity][connection]") {
    const Watch watch;
    const Notes notes;
    auto [connection, child] = mp::Pipe();
    mp::Process process(write_what_is_sent, {child, "bar"},
                        {.daemon = true, .start_method = fork_or_spawn()});
    process.start();
    child.close();
    const int small = ::open(notes.path().c_str(), O_WRONLY | O_CLOEXEC);
    const int large = ::fcntl(small, F_DUPFD_CLOEXEC, 300);
    ::close(small);
    REQUIRE(large >= 300);
    mp::reduction::send_handle(connection, large);
    ::close(large);
    process.join();
    CHECK(notes.text() == "bar");
}

TEST_CASE("_TestConnection.test_missing_fd_transfer", "[parity][connection]") {
    const auto [a, b] = mp::Pipe();
    a.send_bytes(bytes_of("no descriptor"));
    a.send(5);
    CHECK_THROWS_AS(mp::reduction::recv_handle(b), mp::UnpicklingError);
    CHECK_THROWS_AS(mp::reduction::recv_handle(b), mp::UnpicklingError);
}

TEST_CASE("_TestConnection.test_context", "[parity][connection]") {
    Connection outside;
    {
        const auto [a, b] = mp::Pipe();
        a.send(1729);
        CHECK(b.recv<int>() == 1729);
        outside = b;
    }
    CHECK_THROWS_AS(outside.recv<int>(), mp::EOFError);  // its other end went with the scope
    outside.close();
    CHECK(outside.closed());
    CHECK_THROWS_AS(outside.recv<int>(), mp::ValueError);
}

TEST_CASE("_TestPoll.test_empty_string", "[parity][connection]") {
    const auto [a, b] = mp::Pipe();
    CHECK_FALSE(a.poll());
    b.send_bytes({});
    CHECK(a.poll());
    CHECK(a.poll());
}

namespace {
void send_strings(Connection connection, std::vector<std::string> strings) {
    for (const std::string& text : strings)
        connection.send_bytes(bytes_of(text));
}
void hand_over_two(Connection reader, Connection done) {
    done.send(reader.poll(30s));
    done.recv<int>();
}
}  // namespace

TEST_CASE("_TestPoll.test_strings", "[parity][connection]") {
    const Watch watch;
    const std::vector<std::string> strings{"hello", "", "a", "b", "", "bye", "", "lop"};
    const auto [a, b] = mp::Pipe();
    mp::Process process(send_strings, {b, strings}, {.start_method = fork_or_spawn()});
    process.start();
    for (const std::string& text : strings) {
        REQUIRE(a.poll(30s));
        CHECK(text_of(a.recv_bytes()) == text);
    }
    process.join();
}

TEST_CASE("_TestPoll.test_boundaries", "[parity][connection]") {
    const Watch watch;
    const auto [reader, writer] = mp::Pipe(false);
    const auto [here, there] = mp::Pipe();
    mp::Process process(hand_over_two, {reader, there}, {.start_method = fork_or_spawn()});
    process.start();
    writer.send_bytes(bytes_of("first"));
    writer.send_bytes(bytes_of("second"));
    CHECK(here.recv<bool>());  // the other process has looked
    CHECK(text_of(reader.recv_bytes()) == "first");
    CHECK(text_of(reader.recv_bytes()) == "second");
    here.send(0);
    process.join();
}

TEST_CASE("_TestPoll.test_dont_merge", "[parity][connection]") {
    const Watch watch;
    const auto [a, b] = mp::Pipe();
    CHECK_FALSE(a.poll(0s));
    mp::Process process(send_strings, {b, {"a", "b", "cd"}}, {.start_method = fork_or_spawn()});
    process.start();
    for (const char* text : {"a", "b", "cd"}) {
        CHECK(a.poll(30s));
        CHECK(a.poll(30s));
        CHECK(text_of(a.recv_bytes()) == text);
    }
    process.join();
    CHECK_FALSE(a.poll());
}

namespace {
/// The listener's end of each connection goes to one process, the client's to another.
void listen_and_send(Connection through) {
    for (const connection::Address& address :
         {connection::Address(), connection::Address("127.0.0.1", 0)}) {
        connection::Listener listener({.address = address});
        through.send(listener.address());
        through.send(listener.accept());
    }
}
void connect_as_told(Connection through) {
    for (int i = 0; i < 2; ++i) {
        const auto [address, message] = through.recv<std::pair<connection::Address, std::string>>();
        connection::Client(address).send(message + " from a client");
    }
}
}  // namespace

TEST_CASE("_TestPicklingConnections.test_pickling", "[parity][connection]") {
    const Watch watch;
    const auto method = fork_or_spawn();
    const auto [listeners, to_listeners] = mp::Pipe();
    const auto [clients, to_clients] = mp::Pipe();
    mp::Process listening(listen_and_send, {to_listeners},
                          {.daemon = true, .start_method = method});
    mp::Process connecting(connect_as_told, {to_clients}, {.daemon = true, .start_method = method});
    listening.start();
    connecting.start();
    for (int i = 0; i < 2; ++i) {
        const auto address = listeners.recv<connection::Address>();
        clients.send(std::pair(address, std::string("hello")));
        const auto connection = listeners.recv<Connection>();
        CHECK(connection.recv<std::string>() == "hello from a client");
        CHECK_THROWS_AS(connection.recv<int>(), mp::EOFError);
    }
    listening.join();
    connecting.join();
}

namespace {
void use_what_is_sent(Connection through) {
    const auto writer = through.recv<Connection>();
    writer.send("hello from the child");
    writer.close();
    const auto reader = through.recv<Connection>();
    through.send(reader.recv<std::string>() + " twice");
}
}  // namespace

TEST_CASE("_TestPicklingConnections.test_access", "[parity][connection]") {
    const Watch watch;
    const auto [here, there] = mp::Pipe();
    mp::Process process(use_what_is_sent, {there},
                        {.daemon = true, .start_method = fork_or_spawn()});
    process.start();
    there.close();
    const auto [reader, writer] = mp::Pipe(false);
    here.send(writer);
    writer.close();
    CHECK(reader.recv<std::string>() == "hello from the child");
    CHECK_THROWS_AS(reader.recv<int>(), mp::EOFError);
    const auto [reader2, writer2] = mp::Pipe(false);
    here.send(reader2);
    reader2.close();
    writer2.send("message");
    writer2.close();
    CHECK(here.recv<std::string>() == "message twice");
    process.join();
}

namespace {
int add_one(Connection connection) {
    const int number = connection.recv<int>() + 1;
    connection.send(number);
    return number;
}
Connection make_end(Connection told) {
    auto [near, far] = mp::Pipe();
    told.send(far);
    return near;
}
}  // namespace

TEST_CASE("A connection is an argument and a result of tasks of workers that run already",
          "[parity][connection]") {
    const Watch watch;
    mp::Pool<> pool({.processes = 2, .start_method = fork_or_spawn()});
    CHECK(pool.apply([](int x) { return x; }, {1}) == 1);
    const auto [left, right] = mp::Pipe();
    auto result = pool.apply_async(add_one, {right});
    right.close();
    left.send(1);
    CHECK(result.get() == 2);
    CHECK(left.recv<int>() == 2);

    const auto [told, tell] = mp::Pipe();
    const Connection near = pool.apply(make_end, {tell});
    const auto far = told.recv<Connection>();
    far.send("met");
    CHECK(near.recv<std::string>() == "met");
}

TEST_CASE("A connection may be closed while the call that it is an argument of waits for a worker",
          "[parity][connection]") {
    const Watch watch;
    mp::Pool<> pool({.processes = 1, .start_method = fork_or_spawn()});
    const auto [hold, held] = mp::Pipe();
    std::vector<mp::AsyncResult<int>> busy;  // the worker, and what is sent ahead
    for (int i = 0; i < 4; ++i)
        busy.push_back(pool.apply_async(add_one, {held}));
    const auto [left, right] = mp::Pipe();
    const auto [upper, lower] = mp::Pipe();
    auto alone = pool.apply_async(add_one, {right});
    auto listed = pool.map_async(add_one, {lower});
    right.close();
    lower.close();
    for (int i = 0; i < 4; ++i)
        hold.send(i);
    left.send(1);
    upper.send(2);
    CHECK(alone.get() == 2);
    CHECK(listed.get() == std::vector{3});
    CHECK(left.recv<int>() == 2);
    CHECK(upper.recv<int>() == 3);
    CHECK_THROWS_AS(left.recv<int>(), mp::EOFError);  // the pool has closed its own
}

TEST_CASE("TestInvalidHandle.test_invalid_handles", "[parity][connection]") {
    CHECK_THROWS_AS(Connection(44977608), std::system_error);  // Python notices in poll()
    CHECK_THROWS_AS(Connection(-1), mp::ValueError);
}

namespace {
volatile std::sig_atomic_t signals_seen = 0;
void count_signal(int) {
    signals_seen = signals_seen + 1;
}
void install_and_answer(Connection connection) {
    struct sigaction action = {};
    action.sa_handler = count_signal;  // without SA_RESTART
    ::sigaction(SIGUSR1, &action, nullptr);
    connection.send("ready");
    connection.send(connection.recv<int>());
    connection.send_bytes(std::vector<std::byte>(4 << 20));
    connection.send(signals_seen > 0);
}
void accept_under_signals(Connection connection) {
    struct sigaction action = {};
    action.sa_handler = count_signal;
    ::sigaction(SIGUSR1, &action, nullptr);
    connection::Listener listener;
    connection.send(listener.address());
    listener.accept().send("welcome");
}
/// Signals the process until the condition holds.
template <class Condition>
bool pester(pid_t pid, Condition condition) {
    return eventually([&] {
        ::kill(pid, SIGUSR1);
        return condition();
    });
}
}  // namespace

TEST_CASE("TestIgnoreEINTR.test_ignore", "[parity][connection]") {
    const Watch watch;
    const auto [connection, child] = mp::Pipe();
    mp::Process process(install_and_answer, {child},
                        {.daemon = true, .start_method = fork_or_spawn()});
    process.start();
    child.close();
    CHECK(connection.recv<std::string>() == "ready");
    const pid_t pid = process.pid().value();
    for (int i = 0; i < 20; ++i) {
        ::kill(pid, SIGUSR1);
        std::this_thread::sleep_for(1ms);  // most hit it while it waits, which is what is tried
    }
    connection.send(1234);
    CHECK(connection.recv<int>() == 1234);
    CHECK(pester(pid, [&, c = connection] { return c.poll(1ms); }));
    CHECK(connection.recv_bytes() == std::vector<std::byte>(4 << 20));
    CHECK(connection.recv<bool>());
    process.join();
}

TEST_CASE("TestIgnoreEINTR.test_ignore_listener", "[parity][connection]") {
    const Watch watch;
    const auto [connection, child] = mp::Pipe();
    mp::Process process(accept_under_signals, {child},
                        {.daemon = true, .start_method = fork_or_spawn()});
    process.start();
    child.close();
    const auto address = connection.recv<connection::Address>();
    for (int i = 0; i < 20; ++i) {
        ::kill(process.pid().value(), SIGUSR1);
        std::this_thread::sleep_for(1ms);
    }
    CHECK(connection::Client(address).recv<std::string>() == "welcome");
    process.join();
    CHECK(process.exitcode() == 0);
}
