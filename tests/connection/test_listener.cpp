// SPDX-License-Identifier: BSL-1.0
// Listener and Client: addresses of every kind, paths that come and go, closing, interrupts,
// limits.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <system_error>

#include "connection/connection_tools.hpp"

using namespace connection_test;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

void exchange(connection::Listener& listener) {
    const Connection client = connection::Client(listener.address());
    const Connection server = listener.accept();
    client.send("to the server");
    CHECK(server.recv<std::string>() == "to the server");
    server.send(pattern(100000, 3));
    CHECK(client.recv<std::vector<std::byte>>() == pattern(100000, 3));
    client.close();
    CHECK_THROWS_AS(server.recv<int>(), mp::EOFError);
}

/// For threads, in which nothing is checked: ends when the listener is closed.
void accept_until_closed(connection::Listener& listener) {
    try {
        for (;;)
            (void)listener.accept();
    } catch (const mp::ValueError&) {
    }
}

bool has_ipv6() {
    const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool found =
        fd >= 0 && fs::exists("/proc/net/if_inet6") && !std::ifstream("/proc/net/if_inet6").eof();
    ::close(fd);
    return found;
}

}  // namespace

TEST_CASE("Listener and Client meet at addresses of every kind", "[listener]") {
    SECTION("a path") {
        connection::Listener listener({.address = free_path()});
        exchange(listener);
        CHECK(listener.last_accepted()->empty());
    }
    SECTION("an abstract name") {
        const std::string name = "\0multiprocessing test "s + std::to_string(::getpid());
        connection::Listener listener({.address = name});
        CHECK(listener.address().is_abstract());
        CHECK(listener.address().path() == name);
        exchange(listener);
    }
    SECTION("one that the listener chooses") {
        connection::Listener listener;
        const fs::path path = listener.address().path();
        CHECK(path.filename().string().starts_with("listener-"));
        CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
        exchange(listener);
    }
    SECTION("IPv4, and a port that the system chooses") {
        connection::Listener listener({.address = {"127.0.0.1", 0}});
        CHECK(listener.address().host() == "127.0.0.1");
        CHECK(listener.address().port() > 0);
        CHECK_FALSE(listener.last_accepted());
        exchange(listener);
        CHECK(listener.last_accepted()->host() == "127.0.0.1");
    }
    SECTION("a name") {
        connection::Listener listener({.address = {"localhost", 0}});
        exchange(listener);
        const Connection client =
            connection::Client({"localhost", static_cast<long>(listener.address().port())});
        const Connection server = listener.accept();
        client.send(1);
        CHECK(server.recv<int>() == 1);
    }
    SECTION("all addresses of the machine") {
        connection::Listener listener({.address = {"", 0}});
        const Connection client = connection::Client({"127.0.0.1", listener.address().port()});
        (void)listener.accept();
    }
    SECTION("IPv6") {
        if (!has_ipv6()) {
            WARN("no IPv6 here");
            return;
        }
        connection::Listener listener({.address = {"::1", 0}});
        CHECK(listener.address().host() == "::1");
        exchange(listener);
    }
}

TEST_CASE("Addresses are compared and refused", "[listener]") {
    using connection::Address;
    CHECK(Address("a") == Address(std::string("a")));
    CHECK(Address("a") != Address("a", 1));
    CHECK(Address("\0x").is_abstract());
    CHECK(Address("\0x").path().size() == 2);
    CHECK(Address().empty());
    CHECK_FALSE(Address("", 0).empty());
    CHECK_THROWS_AS(Address("h", 65536), mp::ValueError);
    CHECK_THROWS_AS(Address("h", -1), mp::ValueError);
    CHECK(mp::loads<Address>(mp::dumps(Address("h", 9))) == Address("h", 9));
    CHECK(error_of([] { connection::Listener({.address = std::string(108, 'x')}); }) ==
          ENAMETOOLONG);
    CHECK(error_of([] { connection::Client({"no such host.invalid", 1}); }) == EADDRNOTAVAIL);
    CHECK(error_of([] { connection::Client("/there/is/no/such/path"); }) == ENOENT);
    std::uint16_t port = 0;
    {
        const connection::Listener gone({.address = {"127.0.0.1", 0}});
        port = gone.address().port();
    }
    CHECK(error_of([&] { connection::Client({"127.0.0.1", port}); }) == ECONNREFUSED);
}

TEST_CASE("A path is removed with its Listener, unless it is another's by then", "[listener]") {
    const std::string path = free_path();
    {
        const connection::Listener listener({.address = path});
        CHECK(fs::is_socket(path));
        CHECK(error_of([&] { connection::Listener({.address = path}); }) == EADDRINUSE);
        CHECK(fs::is_socket(path));
    }
    CHECK_FALSE(fs::exists(path));
    {
        connection::Listener first({.address = path});
        fs::remove(path);
        connection::Listener second({.address = path});
        first.close();
        CHECK(fs::is_socket(path));
        exchange(second);
    }
    CHECK_FALSE(fs::exists(path));
}

TEST_CASE("A forked child that drops a Listener leaves its path alone", "[listener]") {
    connection::Listener listener({.address = free_path()});
    const pid_t child = fork_child([&] { listener.close(); });
    ::waitpid(child, nullptr, 0);
    exchange(listener);
}

TEST_CASE("A closed Listener accepts nobody, also while a call waits", "[listener]") {
    connection::Listener listener;
    std::atomic<bool> refused{false};
    std::thread waiting([&] {
        accept_until_closed(listener);
        refused = true;
    });
    CHECK(eventually(somebody_polls));
    listener.close();
    waiting.join();
    CHECK(refused);
    CHECK_THROWS_AS(listener.accept(), mp::ValueError);
    CHECK_THROWS_AS(listener.fileno(), mp::ValueError);
    const connection::Listener moved = std::move(listener);
    CHECK_THROWS_AS(listener.accept(), mp::ValueError);
    listener.close();
}

TEST_CASE("Threads accept side by side", "[listener]") {
    connection::Listener listener;
    std::vector<std::thread> servers;
    for (int i = 0; i < 3; ++i)
        servers.emplace_back([&] {
            const Connection server = listener.accept();
            server.send(server.recv<int>() + 1);
        });
    for (int i = 0; i < 3; ++i) {
        const Connection client = connection::Client(listener.address());
        client.send(i);
        CHECK(client.recv<int>() == i + 1);
    }
    for (auto& server : servers)
        server.join();
}

TEST_CASE("An interrupt ends accept and connect", "[listener][interrupt]") {
    connection::Listener listener({.backlog = 0});
    const mp::InterruptGuard guard;
    ::raise(SIGINT);
    CHECK_THROWS_AS(listener.accept(), mp::KeyboardInterrupt);
    std::vector<Connection> waiting;
    const auto fill = [&] {
        for (;;)
            waiting.push_back(connection::Client(listener.address()));
    };
    std::thread interrupter([] {
        std::this_thread::sleep_for(20ms);  // earlier or later makes no difference
        ::kill(::getpid(), SIGINT);
    });
    CHECK_THROWS_AS(fill(), mp::KeyboardInterrupt);
    interrupter.join();
    CHECK(waiting.size() < 5);
}

TEST_CASE("A client with a key gives up a listener that accepts nobody", "[listener]") {
    const connection::Listener listener({.authkey = "key", .backlog = 0});
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 4; ++i)  // the first are in the backlog, the last find it full
        CHECK_THROWS_AS(
            connection::Client(listener.address(), {.authkey = "key", .handshake_timeout = 30ms}),
            mp::AuthenticationError);
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
}

TEST_CASE("Without descriptors a client waits until there is one", "[listener]") {
    connection::Listener listener;
    const Connection client = connection::Client(listener.address());
    rlimit before = {};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit low{64, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &low);
    std::vector<int> taken;
    for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
        taken.push_back(fd);
    const int refused = error_of([&] { (void)listener.accept(); });
    const int connecting = error_of([&] { connection::Client(listener.address()); });
    for (const int fd : taken)
        ::close(fd);
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(refused == EMFILE);
    CHECK(connecting == EMFILE);
    const Connection server = listener.accept();
    client.send(1);
    CHECK(server.recv<int>() == 1);
}

TEST_CASE("A port that is busy for one family is busy", "[listener]") {
    connection::Listener listener(
        connection::ListenerOptions{.address = connection::Address("127.0.0.1", 0)});
    const auto port = listener.address().port();
    for (const std::string host : {"127.0.0.1", "localhost"}) {
        const auto code = error_of(
            [&] { (void)connection::Listener({.address = connection::Address(host, port)}); });
        CHECK(code == EADDRINUSE);
    }
}

TEST_CASE("A Listener that is closed during a handshake ends it", "[listener]") {
    connection::Listener listener({.authkey = "key", .handshake_timeout = 60s});
    const Connection mute = connection::Client(listener.address());
    std::atomic<bool> refused{false};
    std::thread waiting([&] {
        accept_until_closed(listener);
        refused = true;
    });
    REQUIRE(mute.poll(10s));  // the challenge is there
    const auto begin = std::chrono::steady_clock::now();
    listener.close();
    waiting.join();
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
    CHECK(refused);
}

TEST_CASE("A Listener's port is free when close() returns", "[listener]") {
    for (int round = 0; round < 10; ++round) {
        auto listener = std::make_unique<connection::Listener>(
            connection::ListenerOptions{.address = connection::Address("127.0.0.1", 0)});
        const auto address = listener->address();
        std::thread waiting([&] { accept_until_closed(*listener); });
        REQUIRE(eventually(somebody_polls));
        listener->close();
        CHECK_NOTHROW(connection::Listener({.address = address}));
        waiting.join();
    }
}

TEST_CASE("A Listener moved to itself keeps its key", "[listener]") {
    connection::Listener listener({.authkey = "key"});
    connection::Listener& same = listener;
    listener = std::move(same);
    std::thread client([&] { (void)connection::Client(listener.address(), {.authkey = "key"}); });
    CHECK_NOTHROW(listener.accept());
    client.join();
}

TEST_CASE("A Client needs an address", "[listener]") {
    // an empty Unix address would be an abstract name that anybody may have taken
    CHECK(error_of([] { (void)connection::Client(connection::Address()); }) == EDESTADDRREQ);
}
