// SPDX-License-Identifier: BSL-1.0
// The fork server: what its children get, what it reports, what it survives.
#include "process/fork_server_tools.hpp"

#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>

using namespace process_test;

namespace {

int describing_child(detail::child_setup& setup) {
    std::string text = setup.name + " " + std::to_string(setup.id) + " " +
                       std::to_string(setup.payload.size()) + " " +
                       std::to_string(setup.descriptors.size());
    [[maybe_unused]] const auto n =
        ::write(setup.descriptors.at(0).get(), text.data(), text.size());
    return 7;
}

std::string read_some(int fd) {
    char text[256] = {};
    const auto size = readable(fd, patience) ? ::read(fd, text, sizeof text) : -1;
    return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : "nothing";
}

}  // namespace

TEST_CASE("A fork server hands name, payload and descriptors to a child and reports its end",
          "[process][fork_server]") {
    const Watch watch;
    const auto method = every_method();
    const std::size_t size = GENERATE(0u, 100u, 16u * 1024, 16u * 1024 + 1, 3u << 20);
    detail::fork_server server(method);
    int pipe[2];
    REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    const std::vector<std::byte> payload(size);
    const std::vector<int> descriptors{pipe[1], 0};
    server.start(42, "reader", describing_child, payload, descriptors);
    const auto started = await_event(server);
    REQUIRE(started);
    CHECK(started->what == kind::started);
    CHECK(started->id == 42);
    CHECK(read_some(pipe[0]) == "reader 42 " + std::to_string(size) + " 2");
    const auto ended = await_event(server);
    REQUIRE(ended);
    CHECK(ended->what == kind::ended);
    CHECK(ended->id == 42);
    CHECK(ended->pid == started->pid);
    CHECK(ended->exitcode == 7);
    CHECK(state_of(ended->pid) == '\0');
    ::close(pipe[0]);
    ::close(pipe[1]);
}

TEST_CASE("A forked server's children see what their parent had in memory",
          "[process][fork_server]") {
    const Watch watch;
    static int word = 5;
    word = 6;
    detail::fork_server server(mp::StartMethod::fork, &word);
    word = 7;
    server.start(1, "a",
                 [](detail::child_setup& setup) { return *static_cast<int*>(setup.inherited); }, {},
                 {});
    CHECK(await(server, kind::ended).exitcode == 6);
    detail::fork_server executed(mp::StartMethod::spawn, &word);
    executed.start(1, "a", [](detail::child_setup& setup) { return setup.inherited ? 1 : 0; }, {},
                   {});
    CHECK(await(executed, kind::ended).exitcode == 0);
}

TEST_CASE("An exception that leaves a role is printed and gives exit code 1",
          "[process][fork_server]") {
    const Watch watch;
    const auto method = every_method();
    const CapturedErrors errors;
    detail::fork_server server(method);
    server.start(1, "thrower", [](detail::child_setup&) -> int { throw mp::ValueError("why"); }, {},
                 {});
    CHECK(await(server, kind::ended).exitcode == 1);
    CHECK(errors.text() == "Process thrower:\nmultiprocessing::ValueError: why\n");
}

namespace {
int check_surroundings(detail::child_setup& setup) {
    sigset_t mask;
    ::sigprocmask(SIG_BLOCK, nullptr, &mask);
    char letter = 0;
    int wrong = 0;
    wrong |= ::getpgrp() == ::getpid() ? 0 : 1;
    wrong |= mp::os::is_ignored(SIGINT) ? 0 : 2;
    wrong |= mp::os::is_ignored(SIGTTIN) && mp::os::is_ignored(SIGTTOU) ? 0 : 4;
    wrong |= ::sigismember(&mask, SIGUSR2) == 1 && ::sigismember(&mask, SIGTERM) == 0 ? 0 : 8;
    wrong |= ::read(0, &letter, 1) == 0 ? 0 : 16;
    wrong |= mp::current_process().name() == setup.name ? 0 : 32;
    wrong |= mp::parent_process() && mp::parent_process()->is_alive() ? 0 : 64;
    wrong |= mp::active_children().empty() ? 0 : 128;
    return wrong;
}
}  // namespace

TEST_CASE("A child of a fork server has a group, no SIGINT, no input and its parent's mask",
          "[process][fork_server]") {
    const Watch watch;
    const auto method = every_method();
    sigset_t mask;
    ::sigemptyset(&mask);
    ::sigaddset(&mask, SIGUSR2);
    ::sigprocmask(SIG_BLOCK, &mask, nullptr);
    {
        detail::fork_server server(method);
        server.start(1, "one", check_surroundings, {}, {});
        CHECK(await(server, kind::ended).exitcode == 0);
    }
    ::sigprocmask(SIG_UNBLOCK, &mask, nullptr);
}

TEST_CASE("A fork server works in a program that ignores SIGCHLD, and its children ignore it",
          "[process][fork_server]") {
    const Watch watch;
    const auto method = every_method();
    ::signal(SIGCHLD, SIG_IGN);
    {
        detail::fork_server server(method);
        for (int status = 0; status < 3; ++status) {
            server.start(1, "one",
                         [](detail::child_setup& setup) {
                             return mp::os::is_ignored(SIGCHLD)
                                        ? static_cast<int>(setup.payload.size())
                                        : 99;
                         },
                         std::vector<std::byte>(static_cast<std::size_t>(status)), {});
            CHECK(await(server, kind::ended).exitcode == status);
        }
    }
    ::signal(SIGCHLD, SIG_DFL);
}

TEST_CASE("A signal reaches the child's whole group, and nothing when the child has ended",
          "[process][fork_server]") {
    const Watch watch;
    const auto method = every_method();
    detail::fork_server server(method);
    const Notes notes;
    (void)start(server, 5, family_child, notes.path());
    (void)notes.await(2);
    server.signal(5, SIGTERM);
    CHECK(await(server, kind::ended).exitcode == -SIGTERM);
    for (const std::size_t line : {0u, 1u})  // one in the group, one with a session of its own
        CHECK(eventually([&] { return gone(notes.number(line)); }));
    server.signal(5, SIGKILL);
    server.signal(77, SIGKILL);
    server.start(6, "next", [](detail::child_setup&) { return 3; }, {}, {});
    CHECK(await(server, kind::ended).exitcode == 3);
}

TEST_CASE("A signal reaches a child that left its group, and once", "[process][fork_server]") {
    const Watch watch;
    detail::fork_server server(every_method());
    const Notes notes;
    (void)start(
        server, 1,
        [](detail::child_setup& setup) {
            static std::atomic<int> signals{0};
            ::signal(SIGUSR1, [](int) { ++signals; });
            const bool left = ::setpgid(0, ::getpgid(::getppid())) == 0;
            note(text_of(setup), left ? "left" : "stayed");
            while (signals == 0)
                ::usleep(500);
            ::usleep(50'000);
            note(text_of(setup), std::to_string(signals));
            sleep_long();
            return 0;
        },
        notes.path());
    REQUIRE(notes.await(1).at(0) == "left");
    server.signal(1, SIGUSR1);
    CHECK(notes.number(1) == 1);
    server.signal(1, SIGKILL);
    CHECK(await(server, kind::ended).exitcode == -SIGKILL);
}

namespace {
/// 0 when all standard streams are /dev/null.
int look_at_streams() {
    int wrong = 0;
    for (int stream = 0; stream < 3; ++stream) {
        char target[100] = {};
        const std::string link = "/proc/self/fd/" + std::to_string(stream);
        if (::readlink(link.c_str(), target, sizeof target - 1) < 0 ||
            std::string(target) != "/dev/null")
            wrong |= 1 << stream;
    }
    return wrong;
}
}  // namespace

TEST_CASE("Children of a program whose standard streams are closed have /dev/null instead",
          "[process][fork_server]") {
    const Watch watch;
    const auto method = every_method();
    const pid_t program = fork_child([&] {
        for (int stream = 0; stream < 3; ++stream)
            ::close(stream);
        detail::fork_server server(method);
        const mp::os::event bell;
        const std::vector<int> descriptors{bell.fd()};
        server.start(
            1, "one",
            [](detail::child_setup& setup) {
                return look_at_streams() + (setup.descriptors.at(0).get() > 2 ? 0 : 8);
            },
            {}, descriptors);
        const int served = await(server, kind::ended).exitcode;
        mp::Process process([] { std::exit(look_at_streams()); }, {}, {.start_method = method});
        process.start();
        process.join();
        mp::detail::process_server::instance().stop();
        ::_exit(served + 16 * process.exitcode().value_or(8));
    });
    int status = -1;
    ::waitpid(program, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("The orphans of a dead child are killed and live children keep theirs",
          "[process][fork_server]") {
    const Watch watch;
    detail::fork_server server(every_method());
    const Notes dying;
    const Notes living;
    const pid_t first = start(server, 1, family_child, dying.path());
    const pid_t second = start(server, 2, family_child, living.path());
    (void)dying.await(2);
    (void)living.await(2);
    ::kill(first, SIGKILL);
    CHECK(await(server, kind::ended).id == 1);
    CHECK(eventually([&] { return gone(dying.number(0)) && gone(dying.number(1)); }));
    std::this_thread::sleep_for(100ms);  // longer than the server waits before it searches
    CHECK_FALSE(gone(second));
    CHECK_FALSE(gone(living.number(0)));
    CHECK_FALSE(gone(living.number(1)));
    server.stop();
    CHECK(gone(second));
    CHECK(gone(living.number(0)));
    CHECK(gone(living.number(1)));
}

TEST_CASE("A fork server that is killed takes its children along and is reported",
          "[process][fork_server]") {
    const Watch watch;
    const auto method = every_method();
    const bool stopped = GENERATE(false, true);
    detail::fork_server server(method);
    const Notes notes;
    const pid_t child = start(server, 1, family_child, notes.path());
    const pid_t in_group = notes.number(0);
    (void)notes.await(2);
    if (stopped)
        ::kill(child, SIGSTOP);
    ::kill(server.pid(), SIGKILL);
    CHECK(readable(server.descriptor(), patience));
    REQUIRE(eventually([&] {
        try {
            (void)server.next_event();
            return false;
        } catch (const mp::ProcessError&) {
            return true;
        }
    }));
    CHECK_THROWS_AS(server.next_event(), mp::ProcessError);
    server.start(2, "late", sleeping_child, {}, {});
    server.signal(2, SIGTERM);
    CHECK(eventually([&] { return gone(child) && gone(in_group); }));
    ::kill(notes.number(1), SIGKILL);  // it left the group, and nobody else is there to kill it
}

TEST_CASE("stop() ends a stopped server and its stopped children in bounded time",
          "[process][fork_server]") {
    const Watch watch;
    const auto method = every_method();
    const bool server_stopped = GENERATE(false, true);
    detail::fork_server server(method);
    const pid_t first = start(server, 1, sleeping_child);
    const pid_t second = start(server, 2, sleeping_child);
    const pid_t pid = server.pid();
    ::kill(first, SIGSTOP);
    if (server_stopped)
        ::kill(pid, SIGSTOP);
    const auto begin = std::chrono::steady_clock::now();
    server.stop();
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
    CHECK(state_of(pid) == '\0');
    CHECK(eventually([&] { return gone(first) && gone(second); }));
    CHECK_FALSE(process_test::has_children());
}

TEST_CASE("A server that does not read never blocks its callers, and nothing is lost",
          "[process][fork_server]") {
    const Watch watch;
    detail::fork_server server(every_method());
    ::kill(server.pid(), SIGSTOP);
    const int count = 200;
    const std::vector<std::byte> payload(10000);
    const std::vector<int> descriptors{2};
    for (int i = 0; i < count; ++i)
        server.start(
            static_cast<std::uint64_t>(i), "one",
            [](detail::child_setup& setup) {
                return setup.payload.size() == 10000 && setup.descriptors.size() == 1
                           ? static_cast<int>(setup.id % 100)
                           : 255;
            },
            payload, descriptors);
    CHECK_FALSE(server.next_event());
    ::kill(server.pid(), SIGCONT);
    std::set<std::uint64_t> ended;
    while (ended.size() < static_cast<std::size_t>(count)) {
        const auto event = await(server, kind::ended);
        CHECK(event.exitcode == static_cast<int>(event.id % 100));
        ended.insert(event.id);
    }
}

TEST_CASE("A server without descriptors fails the start and goes on", "[process][fork_server]") {
    const Watch watch;
    detail::fork_server server(every_method());
    (void)start(server, 1, sleeping_child);
    rlimit limit{12, 12};
    REQUIRE(::prlimit(server.pid(), RLIMIT_NOFILE, &limit, nullptr) == 0);
    const std::vector<int> many(20, 2);
    server.start(2, "two", sleeping_child, {}, many);
    const auto failed = await_event(server);
    REQUIRE(failed);
    CHECK(failed->what == kind::failed);
    CHECK(failed->id == 2);
    CHECK(failed->error == EMFILE);
    server.start(3, "three", [](detail::child_setup&) { return 4; }, {}, {});
    CHECK(await(server, kind::ended).exitcode == 4);
    CHECK_THROWS_AS(server.start(4, "four", sleeping_child, {}, std::vector<int>(253, 2)),
                    mp::ValueError);
}

TEST_CASE("A fork server leaves no child and no descriptor behind", "[process][fork_server]") {
    const Watch watch;
    const auto method = every_method();
    const int sink = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    const auto before = open_descriptors();
    for (int i = 0; i < 20; ++i) {
        detail::fork_server server(method);
        for (std::uint64_t id = 0; id < 5; ++id)
            server.start(id, "one", id % 2 == 0 ? sleeping_child : describing_child, {},
                         std::vector<int>{sink});
        if (i % 2 == 0)
            (void)await(server, kind::started);
    }
    CHECK(open_descriptors() == before);
    CHECK_FALSE(process_test::has_children());
    ::close(sink);
}

TEST_CASE("A copy of a fork server in a forked process closes itself and disturbs nobody",
          "[process][fork_server]") {
    const Watch watch;
    detail::fork_server server(every_method());
    const pid_t child = start(server, 1, sleeping_child);
    const pid_t copy = fork_child([&] { server.stop(); });
    int status = -1;
    ::waitpid(copy, &status, 0);
    CHECK(status == 0);
    CHECK_FALSE(gone(child));
    server.start(2, "two", [](detail::child_setup&) { return 9; }, {}, {});
    CHECK(await(server, kind::ended).exitcode == 9);
}

TEST_CASE("A role may start processes of its own, which end with it", "[process][fork_server]") {
    const Watch watch;
    detail::fork_server server(every_method());
    const Notes notes;
    const auto method = GENERATE(mp::StartMethod::fork, mp::StartMethod::spawn);
    const std::string payload = to_string(method) + notes.path();
    server.start(1, "outer",
                 [](detail::child_setup& setup) {
                     const std::string text = text_of(setup);
                     const bool fork = text.rfind("fork", 0) == 0;
                     const auto how = fork ? mp::StartMethod::fork : mp::StartMethod::spawn;
                     const std::string file = text.substr(to_string(how).size());
                     mp::Process inner([](std::string path) { note(path, "inner ran"); }, {file},
                                       {.start_method = how});
                     inner.start();
                     inner.join();
                     static mp::Process daemon(sleep_long, {}, {.daemon = true});
                     daemon.start();
                     note(file, std::to_string(*daemon.pid()));
                     return inner.exitcode().value_or(99);
                 },
                 bytes_of(payload), {});
    CHECK(await(server, kind::ended).exitcode == 0);
    CHECK(notes.lines().at(0) == "inner ran");
    CHECK(gone(notes.number(1)));
}
