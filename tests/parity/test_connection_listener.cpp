// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestListener, _TestListenerClient, OtherTest, ChallengeResponseTest
// and TestWait.
#include <algorithm>
#include <map>
#include <system_error>
#include <type_traits>

#include "connection/connection_tools.hpp"

using namespace connection_test;

namespace {

connection::Address every_family() {
    return GENERATE(connection::Address(), connection::Address("127.0.0.1", 0));
}

void connect_and_send(connection::Address address) {
    connection::Client(address).send("hello");
}

}  // namespace

TEST_CASE("_TestListener.test_multiple_bind", "[parity][listener]") {
    const connection::Listener first({.address = every_family()});
    CHECK_THROWS_AS(connection::Listener({.address = first.address()}), std::system_error);
}

TEST_CASE("TestInvalidFamily.test_invalid_family", "[parity][listener]") {
    // what is neither a path nor a host with a number does not compile
    STATIC_REQUIRE_FALSE(std::is_constructible_v<connection::Address, int>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<connection::Address, const char*, const char*>);
    CHECK_THROWS_AS(connection::Address("127.0.0.1", -1), mp::ValueError);
    CHECK_THROWS_AS(connection::Address("127.0.0.1", 65536), mp::ValueError);
    CHECK_THROWS_AS(connection::Listener({.address = {"127.0.0.1", 65536}}), mp::ValueError);
    const std::string too_long(200, 'x');
    CHECK_THROWS_AS(connection::Listener({.address = too_long}), std::system_error);
    CHECK_THROWS_AS(connection::Client(too_long), std::system_error);
    CHECK_THROWS_AS(connection::Client(connection::Address()), std::system_error);
}

TEST_CASE("_TestListener.test_context", "[parity][listener]") {
    connection::Listener listener;
    {
        const connection::Listener scoped;
        const Connection client = connection::Client(listener.address());
        const Connection server = listener.accept();
        client.send(1729);
        CHECK(server.recv<int>() == 1729);
    }
    listener.close();
    CHECK_THROWS_AS(listener.accept(), mp::ValueError);
}

TEST_CASE("_TestListener.test_abstract_socket", "[parity][listener]") {
    connection::Listener listener(
        {.address = '\0' + ("multiprocessing parity test " + std::to_string(::getpid()))});
    const Connection client = connection::Client(listener.address());
    const Connection server = listener.accept();
    client.send(1729);
    CHECK(server.recv<int>() == 1729);
    CHECK_THROWS_AS(connection::Listener({.address = listener.address()}), std::system_error);
}

TEST_CASE("_TestListener.test_empty_authkey", "[parity][listener]") {
    connection::Listener listener({.authkey = ""});
    bool refused = false;
    std::thread client([&] {
        try {
            connection::Client(listener.address(), {.authkey = "other"});
        } catch (const mp::AuthenticationError&) {
            refused = true;
        }
        connection::Client(listener.address(), {.authkey = ""});
    });
    CHECK_THROWS_AS(listener.accept(), mp::AuthenticationError);
    CHECK_NOTHROW(listener.accept());
    client.join();
    CHECK(refused);
}

TEST_CASE("_TestListenerClient.test_listener_client", "[parity][listener]") {
    const Watch watch;
    connection::Listener listener({.address = every_family()});
    mp::Process process(connect_and_send, {listener.address()},
                        {.daemon = true, .start_method = fork_or_spawn()});
    process.start();
    const Connection connection = listener.accept();
    CHECK(connection.recv<std::string>() == "hello");
    process.join();
}

TEST_CASE("_TestListenerClient.test_issue14725", "[parity][listener]") {
    const Watch watch;
    connection::Listener listener;
    mp::Process process(connect_and_send, {listener.address()},
                        {.daemon = true, .start_method = fork_or_spawn()});
    process.start();
    process.join();  // the client has written and is gone before it is accepted
    CHECK(listener.accept().recv<std::string>() == "hello");
}

TEST_CASE("_TestListenerClient.test_issue16955", "[parity][listener]") {
    connection::Listener listener({.address = every_family()});
    const Connection client = connection::Client(listener.address());
    const Connection server = listener.accept();
    server.send_bytes(bytes_of("hello"));
    CHECK(client.poll(10s));
}

TEST_CASE("OtherTest.test_deliver_challenge_auth_failure", "[parity][listener]") {
    RawPair raw;
    raw.write(std::string("\0\0\0\x10something bogus", 19) + "x");
    CHECK_THROWS_AS(connection::deliver_challenge(raw.connection, "abc"), mp::AuthenticationError);
}

TEST_CASE("OtherTest.test_answer_challenge_auth_failure", "[parity][listener]") {
    RawPair raw;
    raw.write(std::string("\0\0\0\x1f#CHALLENGE#", 15) + std::string(20, 'r') +
              std::string("\0\0\0\x0fsomething bogus", 19));
    CHECK_THROWS_AS(connection::answer_challenge(raw.connection, "abc"), mp::AuthenticationError);
}

TEST_CASE("ChallengeResponseTest.test_challengeresponse", "[parity][listener]") {
    const std::string key = "supadupasecretkey";
    for (const std::string digest : {"", "md5", "sha256"}) {
        const std::string challenge =
            (digest.empty() ? "" : "{" + digest + "}") + std::string(digest.empty() ? 20 : 64, 'm');
        const std::string answer = mp::detail::challenge_answer(key, challenge);
        CHECK_NOTHROW(mp::detail::check_answer(key, challenge, answer));
        CHECK_THROWS_AS(mp::detail::check_answer("another key", challenge, answer),
                        mp::AuthenticationError);
    }
}

namespace {
void send_ten(Connection writer, int pause_ms) {
    for (int i = 0; i < 10; ++i) {
        if (pause_ms > 0)
            std::this_thread::sleep_for(std::chrono::milliseconds((i * 7 + ::getpid()) % pause_ms));
        writer.send(std::pair(i, static_cast<int>(::getpid())));
    }
}
void connect_and_send_ten(connection::Address address, int pause_ms) {
    send_ten(connection::Client(address), pause_ms);
}
/// Receives from all until they end; every process's numbers must have come in order.
void check_all_arrive(std::vector<Connection> readers) {
    std::map<int, int> next;
    while (!readers.empty()) {
        for (const Connection& ready : connection::wait(readers)) {
            try {
                const auto [number, pid] = ready.recv<std::pair<int, int>>();
                CHECK(number == next[pid]++);
            } catch (const mp::EOFError&) {
                std::erase(readers, ready);
                ready.close();
            }
        }
    }
    CHECK(next.size() == 4);
    for (const auto& [pid, count] : next)
        CHECK(count == 10);
}
void wait_for_pipes(int pause_ms) {
    const Watch watch;
    const auto method = fork_or_spawn();
    std::vector<Connection> readers;
    std::vector<mp::Process> processes;
    for (int i = 0; i < 4; ++i) {
        const auto [reader, writer] = mp::Pipe(false);
        processes.emplace_back(send_ten, std::tuple(writer, pause_ms),
                               mp::ProcessOptions{.daemon = true, .start_method = method});
        processes.back().start();
        writer.close();
        readers.push_back(reader);
    }
    check_all_arrive(std::move(readers));
    for (mp::Process& process : processes)
        process.join();
}
void wait_for_sockets(int pause_ms) {
    const Watch watch;
    const auto method = fork_or_spawn();
    connection::Listener listener({.address = {"127.0.0.1", 0}});
    std::vector<Connection> readers;
    std::vector<mp::Process> processes;
    for (int i = 0; i < 4; ++i) {
        processes.emplace_back(connect_and_send_ten, std::tuple(listener.address(), pause_ms),
                               mp::ProcessOptions{.daemon = true, .start_method = method});
        processes.back().start();
    }
    for (int i = 0; i < 4; ++i)
        readers.push_back(listener.accept());
    check_all_arrive(std::move(readers));
    for (mp::Process& process : processes)
        process.join();
}
}  // namespace

TEST_CASE("TestWait.test_wait", "[parity][wait]") {
    wait_for_pipes(0);
}
TEST_CASE("TestWait.test_wait_slow", "[parity][wait]") {
    wait_for_pipes(20);
}
TEST_CASE("TestWait.test_wait_socket", "[parity][wait]") {
    wait_for_sockets(0);
}
TEST_CASE("TestWait.test_wait_socket_slow", "[parity][wait]") {
    wait_for_sockets(20);
}

TEST_CASE("TestWait.test_wait_timeout", "[parity][wait]") {
    const auto [a, b] = mp::Pipe();
    const auto start = std::chrono::steady_clock::now();
    CHECK(connection::wait({a, b}, 250ms).empty());
    const auto passed = std::chrono::steady_clock::now() - start;
    CHECK(passed >= 250ms);
    CHECK(passed < 5s);
    b.send(0);
    CHECK(connection::wait({a, b}, 20s) == std::vector{a});
}

namespace {
void wait_until_told(Connection told) {
    told.send("ready");
    told.recv<int>();
}
}  // namespace

TEST_CASE("TestWait.test_wait_integer", "[parity][wait]") {
    const Watch watch;
    const auto [told, tell] = mp::Pipe();
    mp::Process process(wait_until_told, {told}, {.start_method = fork_or_spawn()});
    process.start();
    told.close();
    CHECK(tell.recv<std::string>() == "ready");
    const auto [a, b] = mp::Pipe();
    const std::vector<int> all{a.fileno(), process.sentinel(), b.fileno()};
    CHECK(connection::wait(all, 10ms).empty());
    tell.send(1);
    CHECK(connection::wait(all, 30s) == std::vector{process.sentinel()});
    a.send(1);
    CHECK(connection::wait(all, 30s) == std::vector{process.sentinel(), b.fileno()});
    b.send(1);
    CHECK(connection::wait(all, 30s) == all);
    process.join();
}

TEST_CASE("TestWait.test_neg_timeout", "[parity][wait]") {
    const auto [a, b] = mp::Pipe();
    const auto start = std::chrono::steady_clock::now();
    CHECK(connection::wait({a}, -1s).empty());
    CHECK(std::chrono::steady_clock::now() - start < 5s);
}
