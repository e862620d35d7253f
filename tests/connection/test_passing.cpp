// SPDX-License-Identifier: BSL-1.0
// Connections and descriptors on their way to other processes.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <system_error>

#include "connection/connection_tools.hpp"

using namespace connection_test;
using mp::reduction::DupFd;

namespace {

void answer(Connection connection, int number) {
    connection.send(connection.recv<int>() + number);
}

/// Receives that many connections, and says hello through each.
void greet(Connection through, int count) {
    for (int i = 0; i < count; ++i)
        through.recv<Connection>().send("hello");
}

void write_to(DupFd file, std::string text) {
    const int fd = file.detach();
    [[maybe_unused]] const auto n = ::write(fd, text.data(), text.size());
    ::close(fd);
}

}  // namespace

TEST_CASE("A Connection sent through a Connection names the same end", "[passing]") {
    const auto [left, right] = mp::Pipe();
    auto [near, far] = mp::Pipe();
    left.send(far);
    CHECK_FALSE(far.closed());
    far.close();
    const auto arrived = right.recv<Connection>();
    CHECK(arrived.readable());
    CHECK(arrived.writable());
    near.send(1);
    CHECK(arrived.recv<int>() == 1);
    arrived.send(2);
    CHECK(near.recv<int>() == 2);
    CHECK((::fcntl(arrived.fileno(), F_GETFD) & FD_CLOEXEC) != 0);
    arrived.close();
    CHECK_THROWS_AS(near.recv<int>(), mp::EOFError);  // no other copy is open anywhere
}

TEST_CASE("A Connection keeps its direction", "[passing]") {
    const auto [reader, writer] = mp::Pipe(false);
    const auto got =
        mp::loads<std::pair<Connection, Connection>>(mp::dumps(std::pair(reader, writer)));
    CHECK(got.first.readable());
    CHECK_FALSE(got.first.writable());
    CHECK_FALSE(got.second.readable());
    CHECK(got.second.writable());
    got.second.send(1);
    CHECK(got.first.recv<int>() == 1);
}

TEST_CASE("A closed Connection is not sent, and bytes stand for one arrival", "[passing]") {
    const auto [left, right] = mp::Pipe();
    const auto bytes = mp::dumps(right);
    const auto arrived = mp::loads<Connection>(bytes);
    CHECK_THROWS_AS(mp::loads<Connection>(bytes), mp::UnpicklingError);
    right.close();
    CHECK_THROWS_AS(mp::dumps(right), mp::PicklingError);
    CHECK_THROWS_AS(left.send(right), mp::PicklingError);
    CHECK_THROWS_AS(mp::dumps(Connection()), mp::PicklingError);
    left.send(1);
    CHECK(arrived.recv<int>() == 1);
}

TEST_CASE("A Connection is an argument of a Process under every start method", "[passing]") {
    const Watch watch;
    const auto [left, right] = mp::Pipe();
    mp::Process process(answer, {right, 10}, {.start_method = every_method()});
    process.start();
    right.close();
    left.send(5);
    CHECK(left.recv<int>() == 15);
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK_THROWS_AS(left.recv<int>(), mp::EOFError);
}

TEST_CASE("A process that runs already is given connections", "[passing]") {
    const Watch watch;
    auto [left, right] = mp::Pipe();
    constexpr int count = 20;
    mp::Process process(greet, {right, count}, {.start_method = every_method()});
    process.start();
    right.close();
    for (int i = 0; i < count; ++i) {
        const auto [near, far] = mp::Pipe();
        left.send(far);
        far.close();
        CHECK(near.recv<std::string>() == "hello");
        CHECK_THROWS_AS(near.recv<int>(), mp::EOFError);
    }
    process.join();
    CHECK(process.exitcode() == 0);
}

TEST_CASE("A descriptor is sent, received, and given away once", "[passing]") {
    CHECK_THROWS_AS(DupFd(-1), std::system_error);
    CHECK_THROWS_AS(DupFd().detach(), mp::ValueError);
    CHECK_THROWS_AS(mp::dumps(DupFd()), mp::PicklingError);
    const auto [left, right] = mp::Pipe();
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    {
        const DupFd dup(ends[1]);
        const DupFd copy = dup;
        left.send(copy);
        ::close(dup.detach());
        CHECK_THROWS_AS(copy.detach(), mp::ValueError);
        CHECK_THROWS_AS(left.send(dup), mp::PicklingError);
    }
    ::close(ends[1]);
    const int received = right.recv<DupFd>().detach();
    CHECK((::fcntl(received, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(::write(received, "x", 1) == 1);
    ::close(received);
    char bytes[2];
    CHECK(::read(ends[0], bytes, 2) == 1);
    CHECK(::read(ends[0], bytes, 2) == 0);  // no writer is left
    ::close(ends[0]);
}

TEST_CASE("A value that fails half way keeps nothing open", "[passing]") {
    const auto [left, right] = mp::Pipe();
    const auto [reader, writer] = mp::Pipe();
    {
        const std::vector<DupFd> half{DupFd(writer.fileno()), DupFd()};
        writer.close();
        CHECK_THROWS_AS(left.send(half), mp::PicklingError);
    }
    REQUIRE(reader.poll(10s));
    CHECK_THROWS_AS(reader.recv<int>(), mp::EOFError);
    CHECK_FALSE(right.poll());
}

TEST_CASE("A process writes to a file that it was sent", "[passing]") {
    const Watch watch;
    const Notes notes;
    const int fd = ::open(notes.path().c_str(), O_WRONLY | O_CLOEXEC);
    mp::Process process(write_to, {DupFd(fd), "written"}, {.start_method = every_method()});
    process.start();
    ::close(fd);
    process.join();
    CHECK(notes.text() == "written");
}

TEST_CASE("A Connection in transit outlives the process that sent it", "[passing]") {
    const Watch watch;
    const auto [left, right] = mp::Pipe();
    mp::Process process(
        [](Connection through) {
            const auto [near, far] = mp::Pipe();
            through.send(near);
            far.send("from one who is gone");
        },
        {right}, {.start_method = every_method()});
    process.start();
    process.join();
    CHECK(left.recv<Connection>().recv<std::string>() == "from one who is gone");
}
