// SPDX-License-Identifier: BSL-1.0
// connection::wait: what is ready, in which order, when, and what is refused.
#include <fcntl.h>

#include <cerrno>
#include <list>
#include <system_error>

#include "connection/connection_tools.hpp"

using namespace connection_test;

TEST_CASE("wait gives what is ready, in the order of the list", "[wait]") {
    const auto [a, b] = mp::Pipe();
    const auto [c, d] = mp::Pipe();
    CHECK(connection::wait({b, d}, 0s).empty());
    c.send(1);
    CHECK(connection::wait({b, d}) == std::vector{d});
    a.send(1);
    CHECK(connection::wait(std::list{d, b}, 1s) == std::vector{d, b});
    CHECK(connection::wait({d.fileno(), b.fileno()}) == std::vector{d.fileno(), b.fileno()});
    const std::vector<int> fds{b.fileno(), a.fileno()};
    CHECK(connection::wait(fds) == std::vector{b.fileno()});
    a.close();
    CHECK(b.recv<int>() == 1);
    CHECK(connection::wait({b}) == std::vector{b});  // its end
    CHECK_THROWS_AS(b.recv<int>(), mp::EOFError);
}

TEST_CASE("wait ends when its time is over, and at once when there is none", "[wait]") {
    const auto [a, b] = mp::Pipe();
    const auto start = std::chrono::steady_clock::now();
    CHECK(connection::wait({a, b}, -1s).empty());
    CHECK(connection::wait({a, b}, 0ms).empty());
    CHECK(std::chrono::steady_clock::now() - start < 10s);
    CHECK(connection::wait({a, b}, 120ms).empty());
    CHECK(std::chrono::steady_clock::now() - start >= 120ms);
    CHECK(connection::wait(std::vector<Connection>(), 1ms).empty());
}

TEST_CASE("wait refuses what is closed", "[wait]") {
    const auto [a, b] = mp::Pipe();
    const int number = a.fileno();
    a.close();
    CHECK_THROWS_AS(connection::wait({a, b}, 1ms), mp::ValueError);
    for (const int fd : {number, -1}) {
        try {
            connection::wait({b.fileno(), fd}, 1ms);
            FAIL("a closed descriptor was waited for");
        } catch (const std::system_error& error) {
            CHECK(error.code().value() == EBADF);
        }
    }
}

TEST_CASE("wait sees more connections than a small table would hold", "[wait]") {
    std::vector<Connection> readers;
    std::vector<Connection> writers;
    for (int i = 0; i < 150; ++i) {
        auto [reader, writer] = mp::Pipe(false);
        readers.push_back(reader);
        writers.push_back(writer);
    }
    writers[149].send(1);
    writers[3].send(1);
    CHECK(connection::wait(readers, 10s) == std::vector{readers[3], readers[149]});
}

TEST_CASE("wait takes sentinels and listeners beside connections", "[wait]") {
    mp::Process process([] {});
    process.start();
    const connection::Listener listener;
    const auto [a, b] = mp::Pipe();
    CHECK(connection::wait({process.sentinel(), a.fileno(), listener.fileno()}) ==
          std::vector{process.sentinel()});
    const Connection client = connection::Client(listener.address());
    CHECK(connection::wait({a.fileno(), listener.fileno()}) == std::vector{listener.fileno()});
    process.join();
}
