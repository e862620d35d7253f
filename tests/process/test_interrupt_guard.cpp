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
    const pid_t pid = raw_child([] {
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
