// SPDX-License-Identifier: BSL-1.0
// InterruptGuard: who sees an interrupt, when, and what is left when the guard has gone.
#include <atomic>

#include "process/process_tools.hpp"

using namespace process_test;

namespace {
std::atomic<int> seen{0};

/// A handler of the application, which must work again after the guard.
struct OwnHandler {
    struct sigaction before = {};
    OwnHandler() {
        seen = 0;
        struct sigaction action = {};
        action.sa_handler = [](int) { ++seen; };
        ::sigaction(SIGINT, &action, &before);
    }
    OwnHandler(const OwnHandler&) = delete;
    OwnHandler& operator=(const OwnHandler&) = delete;
    ~OwnHandler() { ::sigaction(SIGINT, &before, nullptr); }
};
}  // namespace

TEST_CASE("Under an InterruptGuard SIGINT makes join() throw, once", "[process][interrupt]") {
    const Watch watch;
    const OwnHandler handler;
    mp::Process process(sleep_long, {}, {.daemon = true, .start_method = every_method()});
    process.start();
    {
        const mp::InterruptGuard guard;
        ::raise(SIGINT);
        CHECK_THROWS_AS(process.join(), mp::KeyboardInterrupt);
        CHECK_FALSE(process.join(1ms));
    }
    CHECK(seen == 0);
    ::raise(SIGINT);
    CHECK(seen == 1);
}

TEST_CASE("A wait that another thread is in ends within a slice", "[process][interrupt]") {
    const Watch watch;
    const OwnHandler handler;
    mp::Process process(sleep_long, {}, {.daemon = true});
    process.start();
    const mp::InterruptGuard guard;
    std::atomic<bool> thrown{false};
    std::thread waiting([&] {
        try {
            process.join();
        } catch (const mp::KeyboardInterrupt&) {
            thrown = true;
        }
    });
    ::raise(SIGINT);
    waiting.join();
    CHECK(thrown);
}

TEST_CASE("Guards nest, and the last one restores the application's handler",
          "[process][interrupt]") {
    const OwnHandler handler;
    {
        const mp::InterruptGuard outer;
        { const mp::InterruptGuard inner; }
        ::raise(SIGINT);
        CHECK(seen == 0);
        CHECK_THROWS_AS(mp::detail::check_interrupt(), mp::KeyboardInterrupt);
        CHECK_NOTHROW(mp::detail::check_interrupt());
    }
    ::raise(SIGINT);
    CHECK(seen == 1);
}

TEST_CASE("An interrupt that no call has thrown is raised again when the guard goes",
          "[process][interrupt]") {
    const OwnHandler handler;
    {
        const mp::InterruptGuard guard;
        ::raise(SIGINT);
        CHECK(seen == 0);
    }
    CHECK(seen == 1);
    const pid_t pid = fork_child([] {
        ::signal(SIGINT, SIG_DFL);
        const mp::InterruptGuard guard;
        ::raise(SIGINT);
    });
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGINT));
}

TEST_CASE("A child has no guard of its parent's", "[process][interrupt]") {
    const Watch watch;
    ::signal(SIGINT, SIG_DFL);
    const mp::InterruptGuard guard;
    ::raise(SIGINT);  // pending in the parent, and not in the child
    const Notes notes;
    mp::Process process(
        [](std::string file) {
            mp::Process grandchild([] {});
            grandchild.start();
            grandchild.join();
            note(file, "not interrupted");
            sleep_long();
        },
        {notes.path()}, {.start_method = mp::StartMethod::fork});
    CHECK_NOTHROW(process.start());
    CHECK(notes.await(1).at(0) == "not interrupted");
    CHECK_THROWS_AS(process.join(), mp::KeyboardInterrupt);  // the parent's, while the child lives
    process.interrupt();
    process.join();
    CHECK(process.exitcode() == -SIGINT);
}

TEST_CASE("The destructor of a Process swallows no interrupt", "[process][interrupt]") {
    const Watch watch;
    const OwnHandler handler;
    {
        const mp::InterruptGuard guard;
        {
            mp::Process process([] { std::this_thread::sleep_for(20ms); });
            process.start();
            ::raise(SIGINT);
        }
        CHECK_THROWS_AS(mp::detail::check_interrupt(), mp::KeyboardInterrupt);
    }
    CHECK(seen == 0);
}

namespace {
void note_after_a_while(std::string file) {
    std::this_thread::sleep_for(300ms);
    note(file, "the target ran");
}
}  // namespace

TEST_CASE("A start() that is interrupted before it asks the fork server starts nothing",
          "[process][interrupt]") {
    const Watch watch;
    const OwnHandler handler;
    const Notes notes;
    mp::Process process(note_after_a_while, {notes.path()},
                        {.start_method = mp::StartMethod::forkserver});
    {
        const mp::InterruptGuard guard;
        ::raise(SIGINT);
        CHECK_THROWS_AS(process.start(), mp::KeyboardInterrupt);
    }
    CHECK_FALSE(process.pid());
    std::this_thread::sleep_for(800ms);
    CHECK(notes.text().empty());
    CHECK(seen == 0);
}

TEST_CASE("A start() that is interrupted while the fork server works leaves no child",
          "[process][interrupt]") {
    const Watch watch;
    const OwnHandler handler;
    const Notes notes;
    const bool answers_in_time = GENERATE(true, false);
    auto& server = mp::detail::process_server::instance();
    const auto options = mp::ProcessOptions{.start_method = mp::StartMethod::forkserver};
    mp::Process first([] {}, {}, options);
    first.start();
    first.join();
    const pid_t pid = server.pid();
    REQUIRE(pid > 1);
    REQUIRE(test_support::stop_process(pid));
    mp::Process process(note_after_a_while, {notes.path()}, options);
    {
        const mp::InterruptGuard guard;
        std::thread interrupting([&] {
            std::this_thread::sleep_for(100ms);
            ::kill(::getpid(), SIGINT);
            std::this_thread::sleep_for(100ms);
            if (answers_in_time)
                ::kill(pid, SIGCONT);
        });
        CHECK_THROWS_AS(process.start(), mp::KeyboardInterrupt);
        interrupting.join();
    }
    if (!answers_in_time)
        server.stop();  // continues it
    std::this_thread::sleep_for(800ms);
    CHECK(notes.text().empty());
}
