// SPDX-License-Identifier: BSL-1.0
// Thousands of processes, killed servers, killed children, killed parents: nothing is left behind.
#include <atomic>
#include <random>

#include "process/fork_server_tools.hpp"
#include "support/random.hpp"
#include "support/sanitized.hpp"

using namespace process_test;
using test_support::random_source;
using test_support::scaled;

namespace {

std::chrono::microseconds random_pause(int most) {
    return std::chrono::microseconds(std::uniform_int_distribution<int>(0, most)(random_source()));
}

}  // namespace

TEST_CASE("Thousands of processes leave no zombie and no descriptor", "[crash][process]") {
    const Watch watch(std::chrono::minutes(4));
    const auto method = every_method();
    const int count = scaled(method == mp::StartMethod::spawn ? 300 : 2000);
    {
        mp::Process first([] {}, {}, {.start_method = method});  // starts the server, if any
        first.start();
    }
    const auto before = open_descriptors();
    int good = 0;
    for (int i = 0; i < count; i += 10) {
        std::vector<mp::Process> ten;
        for (int k = 0; k < 10; ++k) {
            ten.emplace_back([](int code) { std::exit(code); }, std::tuple(k),
                             mp::ProcessOptions{.start_method = method});
            ten.back().start();
        }
        for (int k = 0; k < 10; ++k) {
            ten[static_cast<std::size_t>(k)].join();
            good += ten[static_cast<std::size_t>(k)].exitcode() == k ? 1 : 0;
        }
    }
    CHECK(good == (count + 9) / 10 * 10);
    CHECK(open_descriptors() == before);
    mp::detail::process_server::instance().stop();
    CHECK_FALSE(process_test::has_children());
}

TEST_CASE("Children that are killed at random instants are all reported", "[crash][process]") {
    const Watch watch(std::chrono::minutes(2));
    const auto method = every_method();
    const int count = scaled(method == mp::StartMethod::spawn ? 60 : 400);
    for (int i = 0; i < count; ++i) {
        mp::Process process([] { std::this_thread::sleep_for(300us); }, {},
                            {.start_method = method});
        process.start();
        std::this_thread::sleep_for(random_pause(800));
        process.kill();
        process.join();
        const auto code = process.exitcode();
        REQUIRE((code == 0 || code == -SIGKILL));
    }
    CHECK(mp::active_children().empty());
}

TEST_CASE("The process server may be killed at any instant", "[crash][process]") {
    const Watch watch(std::chrono::minutes(3));
    const auto method = mp::StartMethod::forkserver;
    mp::detail::process_server::instance().stop();
    const auto before = open_descriptors();
    std::atomic<bool> stop{false};
    std::atomic<int> kills{0};
    std::thread killer([&] {
        std::mt19937 source(7);
        while (!stop) {
            // with a sanitizer a server needs longer than that to start
            const unsigned longest = test_support::sanitized ? 400'000 : 20'000;
            std::this_thread::sleep_for(std::chrono::microseconds(source() % longest));
            if (const pid_t pid = mp::detail::process_server::instance().pid()) {
                ::kill(pid, SIGKILL);
                ++kills;
            }
        }
    });
    int ended = 0;
    for (int i = 0; i < scaled(test_support::sanitized ? 100 : 300); ++i) {
        mp::Process process([] { std::this_thread::sleep_for(1ms); }, {},
                            {.daemon = i % 2 == 0, .start_method = method});
        try {
            process.start();
        } catch (const mp::ProcessError&) {
            continue;  // it died while it started this very child
        }
        process.join();
        const auto code = process.exitcode();
        REQUIRE((code == 0 || code == 255 || code == -SIGKILL));
        ++ended;
    }
    stop = true;
    killer.join();
    CHECK(ended > 0);
    CHECK(kills > 0);
    // the last kill may still be on its way: a server stopped in order cannot be hit by it
    mp::detail::process_server::instance().stop();
    mp::Process last([] { std::exit(3); }, {}, {.start_method = method});
    last.start();
    last.join();
    CHECK(last.exitcode() == 3);
    last.close();
    mp::detail::process_server::instance().stop();
    CHECK_FALSE(process_test::has_children());
    CHECK(open_descriptors() == before);
}

TEST_CASE("Workers that are killed at random instants are each reported once",
          "[crash][fork_server]") {
    const Watch watch(std::chrono::minutes(2));
    detail::fork_server server(every_method());
    const std::uint64_t count = static_cast<std::uint64_t>(scaled(400));
    std::set<std::uint64_t> ended;
    for (std::uint64_t id = 0; id < count; ++id) {
        server.start(id, "worker", sleeping_child, {}, {});
        std::this_thread::sleep_for(random_pause(300));
        server.signal(id, SIGKILL);
        while (auto event = server.next_event()) {
            if (event->what == kind::ended) {
                CHECK(event->exitcode == -SIGKILL);
                CHECK(ended.insert(event->id).second);
            }
        }
    }
    while (ended.size() < count)
        CHECK(ended.insert(await(server, kind::ended).id).second);
}

namespace {
/// A parent with a pool-like server, two workers with families, and a daemonic Process.
void parent_with_everything(const std::string& file, mp::StartMethod method) {
    detail::fork_server server(method);
    note(file, std::to_string(server.pid()));
    server.start(1, "one", family_child, bytes_of(file), {});
    server.start(2, "two", family_child, bytes_of(file), {});
    for (int started = 0; started < 2;) {
        if (auto event = server.next_event()) {
            note(file, std::to_string(event->pid));
            ++started;
        } else {
            readable(server.descriptor(), 1000ms);
        }
    }
    mp::Process daemon(
        [](std::string path) {
            note(path, std::to_string(::getpid()));
            sleep_long();
        },
        {file}, {.daemon = true, .start_method = method});
    daemon.start();
    sleep_long();
}
}  // namespace

TEST_CASE("Nobody outlives a parent that is killed at any instant", "[crash][fork_server]") {
    const Watch watch(std::chrono::minutes(3));
    const auto method = every_method();
    const int rounds = scaled(method == mp::StartMethod::fork ? 40 : 15);
    for (int i = 0; i < rounds; ++i) {
        const Notes notes;
        const bool late = i % 2 == 0;
        const pid_t parent = fork_child([&] { parent_with_everything(notes.path(), method); });
        if (late)
            (void)eventually([&] { return notes.lines().size() >= 8; });
        else
            std::this_thread::sleep_for(random_pause(10'000));
        if (late && i % 4 == 0) {
            for (const std::string& line : notes.lines())
                ::kill(std::stoi(line), SIGSTOP);
        }
        ::kill(parent, SIGKILL);
        ::waitpid(parent, nullptr, 0);
        REQUIRE(eventually([&] {
            for (const std::string& line : notes.lines())
                if (!gone(std::stoi(line)))
                    return false;
            return true;
        }));
    }
}

TEST_CASE("A parent and a server that are both stopped and killed leave no worker",
          "[crash][fork_server]") {
    const Watch watch(std::chrono::minutes(1));
    const auto method = every_method();
    const Notes notes;
    const pid_t parent = fork_child([&] {
        detail::fork_server server(method);
        note(notes.path(), std::to_string(server.pid()));
        server.start(1, "one", noting_child, bytes_of(notes.path()), {});
        sleep_long();
    });
    const auto pids = notes.await(2);
    for (const std::string& pid : pids)
        ::kill(std::stoi(pid), SIGSTOP);
    ::kill(parent, SIGKILL);
    ::waitpid(parent, nullptr, 0);
    ::kill(std::stoi(pids.at(0)), SIGKILL);
    CHECK(eventually([&] { return gone(std::stoi(pids.at(1))); }));
}
