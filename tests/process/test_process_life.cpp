// SPDX-License-Identifier: BSL-1.0
// Process where Python's tests are silent: misuse, moving, destruction, exit, a parent that is
// killed, programs that ignore or reap their children.
#include <atomic>
#include <memory>
#include <mutex>

#include "process/process_tools.hpp"

using namespace process_test;

namespace {
void do_nothing() {}
void note_and_sleep(std::string file) {
    note(file, std::to_string(::getpid()));
    sleep_long();
}
void ignore_terminate(std::string file) {
    ::signal(SIGTERM, SIG_IGN);
    note(file, std::to_string(::getpid()));
    sleep_long();
}
}  // namespace

TEST_CASE("Process throws ValueError for calls at the wrong moment", "[process]") {
    const Watch watch;
    mp::Process process(do_nothing, {}, {.start_method = every_method()});
    CHECK_THROWS_AS(process.join(), mp::ValueError);
    CHECK_THROWS_AS(process.join(1s), mp::ValueError);
    CHECK_THROWS_AS(process.terminate(), mp::ValueError);
    CHECK_THROWS_AS(process.kill(), mp::ValueError);
    CHECK_THROWS_AS(process.interrupt(), mp::ValueError);
    CHECK_THROWS_AS(process.sentinel(), mp::ValueError);
    CHECK_FALSE(process.is_alive());
    process.name("other");
    process.daemon(true);
    CHECK(process.name() == "other");
    process.start();
    CHECK_THROWS_AS(process.start(), mp::ValueError);
    CHECK_THROWS_AS(process.name("late"), mp::ValueError);
    CHECK_THROWS_AS(process.daemon(false), mp::ValueError);
    process.join();
    process.close();
    CHECK_THROWS_AS(process.start(), mp::ValueError);
    CHECK_THROWS_AS(mp::current_process().join(), mp::ValueError);
    CHECK_THROWS_AS(mp::current_process().terminate(), mp::ValueError);
}

TEST_CASE("A process is waited for only by the one that started it", "[process]") {
    const Watch watch;
    const Notes notes;
    mp::Process process(note_and_sleep, {notes.path()}, {.start_method = every_method()});
    process.start();
    (void)notes.await(1);
    mp::Process stranger([&process] {
        int refused = 0;
        try {
            process.join();
        } catch (const mp::ValueError&) {
            ++refused;
        }
        try {
            (void)process.is_alive();
        } catch (const mp::ValueError&) {
            ++refused;
        }
        std::exit(refused);
    });
    stranger.start();
    stranger.join();
    CHECK(stranger.exitcode() == 2);
    CHECK(process.is_alive());
    process.kill();
}

TEST_CASE("A daemonic process may not have children", "[process]") {
    const Watch watch;
    mp::Process process(
        [] {
            mp::Process child(do_nothing);
            try {
                child.start();
            } catch (const mp::ValueError&) {
                std::exit(5);
            }
        },
        {}, {.daemon = true, .start_method = every_method()});
    process.start();
    process.join();
    CHECK(process.exitcode() == 5);
}

TEST_CASE("What cannot be sent throws PicklingError from start(), and nothing is started",
          "[process]") {
    const Watch watch;
    const auto method = GENERATE(mp::StartMethod::spawn, mp::StartMethod::forkserver);
    const int number = 1;
    std::mutex mutex;
    const auto before = open_descriptors();
    mp::Process captures([number] { (void)number; }, {}, {.start_method = method});
    CHECK_THROWS_AS(captures.start(), mp::PicklingError);
    mp::Process pointer([](std::mutex*) {}, {&mutex}, {.start_method = method});
    CHECK_THROWS_AS(pointer.start(), mp::PicklingError);
    struct Subclass : mp::Process {
        using mp::Process::Process;
        void run() override {}
    };
    Subclass subclass(mp::ProcessOptions{.start_method = method});
    CHECK_THROWS_AS(subclass.start(), mp::PicklingError);
    CHECK_FALSE(captures.pid());
    CHECK(mp::active_children().empty());
    CHECK(open_descriptors() == before);
}

TEST_CASE("Under fork arguments need not be picklable and may be moved into the child",
          "[process]") {
    const Watch watch;
    mp::Process process(
        [](std::unique_ptr<std::mutex> mutex) { std::exit(mutex != nullptr ? 3 : 4); },
        {std::make_unique<std::mutex>()});
    process.start();
    process.join();
    CHECK(process.exitcode() == 3);
}

TEST_CASE("A Process moves, started or not", "[process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    std::vector<mp::Process> processes;
    for (int i = 0; i < 4; ++i)
        processes.push_back(
            mp::Process(note_and_sleep, {notes.path()}, {.daemon = true, .start_method = method}));
    processes[0].start();
    mp::Process moved(std::move(processes[0]));
    CHECK(moved.is_alive());
    processes[1].start();
    const pid_t replaced = *moved.pid();
    (void)notes.await(2);
    moved = std::move(processes[1]);
    CHECK(gone(replaced));
    CHECK(moved.is_alive());
    moved.kill();
    moved.join();
    CHECK(moved.exitcode() == -SIGKILL);
}

TEST_CASE("The destructor joins, and ends a daemonic process also when it ignores SIGTERM",
          "[process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    {
        mp::Process process(
            [](std::string file) {
                std::this_thread::sleep_for(50ms);
                note(file, "done");
            },
            {notes.path()}, {.start_method = method});
        process.start();
    }
    CHECK(notes.text() == "done\n");
    {
        mp::Process daemon(ignore_terminate, {notes.path()},
                           {.daemon = true, .start_method = method});
        daemon.start();
        (void)notes.await(2);
    }
    CHECK(gone(notes.number(1)));
    {
        const Notes stopped;
        mp::Process daemon(note_and_sleep, {stopped.path()},
                           {.daemon = true, .start_method = method});
        daemon.start();
        (void)stopped.await(1);
        ::kill(*daemon.pid(), SIGSTOP);
    }
    CHECK(mp::active_children().empty());
}

TEST_CASE("At exit daemonic children are terminated and the others waited for", "[process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    mp::Process parent(
        [](std::string file, mp::StartMethod how) {
            // never destroyed: exit alone looks after them
            auto& waited = *new mp::Process(
                [](std::string path) {
                    std::this_thread::sleep_for(100ms);
                    note(path, "waited for");
                },
                {file}, {.start_method = how});
            auto& daemon =
                *new mp::Process(note_and_sleep, {file}, {.daemon = true, .start_method = how});
            daemon.start();
            waited.start();
        },
        {notes.path(), method}, {.start_method = method});
    const auto begin = std::chrono::steady_clock::now();
    parent.start();
    parent.join();
    CHECK(parent.exitcode() == 0);
    CHECK(std::chrono::steady_clock::now() - begin < patience);
    const auto lines = notes.lines();
    CHECK(std::count(lines.begin(), lines.end(), "waited for") == 1);
    for (const std::string& line : lines) {
        if (line != "waited for")
            CHECK(gone(std::stoi(line)));
    }
}

TEST_CASE("exit() in a child leaves the parent's exit handlers and static objects alone",
          "[process]") {
    const Watch watch;
    const Notes notes;
    const pid_t pid = fork_child([&] {
        static std::string file = notes.path();
        std::atexit([] { note(file, "handler of the parent"); });
        mp::Process process([] { std::exit(6); });
        process.start();
        process.join();
        note(file, "exit code " + std::to_string(*process.exitcode()));
    });
    ::waitpid(pid, nullptr, 0);
    CHECK(notes.text() == "exit code 6\n");
}

TEST_CASE("A program that ignores SIGCHLD still learns that a child ended", "[process]") {
    const Watch watch;
    const auto method = every_method();
    ::signal(SIGCHLD, SIG_IGN);
    {
        mp::Process process([] { std::exit(4); }, {}, {.start_method = method});
        process.start();
        CHECK(process.join(patience));
        const auto code = process.exitcode();
        // the server waits for its children itself; the kernel discards the status of our own
        CHECK(code == (method == mp::StartMethod::forkserver ? 4 : 255));
        CHECK_FALSE(process.is_alive());
    }
    mp::detail::process_server::instance().stop();
    ::signal(SIGCHLD, SIG_DFL);
}

TEST_CASE("A program that reaps its children itself still learns that they ended", "[process]") {
    const Watch watch;
    const auto method = GENERATE(mp::StartMethod::fork, mp::StartMethod::spawn);
    mp::Process process([] { std::exit(4); }, {}, {.start_method = method});
    process.start();
    int status = 0;
    REQUIRE(::waitpid(-1, &status, 0) == process.pid());
    process.join();
    CHECK(process.exitcode() == 255);
}

namespace {
/// A parent with a daemonic and a plain child that is killed; which of them live on?
void be_killed_parent(std::string file, mp::StartMethod method) {
    mp::Process daemon(note_and_sleep, {file}, {.daemon = true, .start_method = method});
    daemon.start();
    sleep_long();
}
}  // namespace

TEST_CASE("A daemonic process does not outlive a parent that is killed", "[process]") {
    const Watch watch;
    const auto method = every_method();
    const bool stopped = GENERATE(false, true);
    const Notes notes;
    mp::Process parent(be_killed_parent, {notes.path(), method},
                       {.start_method = mp::StartMethod::fork});
    parent.start();
    const pid_t daemon = notes.number(0);
    if (stopped)
        ::kill(daemon, SIGSTOP);
    parent.kill();
    parent.join();
    CHECK(eventually([&] { return gone(daemon); }));
}

TEST_CASE("A process that is not daemonic outlives a parent that is killed, as in Python",
          "[process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    mp::Process parent(
        [](std::string file, mp::StartMethod how) {
            mp::Process child(note_and_sleep, {file}, {.start_method = how});
            child.start();
            sleep_long();
        },
        {notes.path(), method}, {.start_method = mp::StartMethod::fork});
    parent.start();
    const pid_t child = notes.number(0);
    parent.kill();
    parent.join();
    std::this_thread::sleep_for(100ms);
    CHECK_FALSE(gone(child));
    ::kill(child, SIGKILL);
}

TEST_CASE("Threads may start, watch and end processes at the same time", "[process]") {
    const Watch watch;
    const auto method = every_method();
    const auto before = open_descriptors();
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        ++mp::detail::library_threads();
        threads.emplace_back([&good, method, i] {
            for (int round = 0; round < 5; ++round) {
                mp::Process process([](int code) { ::_exit(code); }, {i}, {.start_method = method});
                process.start();
                (void)mp::active_children();
                process.join();
                good += process.exitcode() == i ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    mp::detail::library_threads() -= 4;
    CHECK(good == 20);
    mp::detail::process_server::instance().stop();
    CHECK(open_descriptors().size() <= before.size());
}

TEST_CASE("A child forked while another thread asks for the start method can use it, too",
          "[process]") {
    const Watch watch;
    const mp::StartMethod method = mp::get_start_method();
    std::atomic<bool> done{false};
    std::thread asking([&] {
        while (!done)
            (void)mp::get_start_method();
    });
    int hung = 0;
    for (int i = 0; i < 200 && hung == 0; ++i) {
        const pid_t child = fork_child([&] {
            ::alarm(5);
            mp::set_start_method(method, true);
        });
        int status = -1;
        ::waitpid(child, &status, 0);
        hung += status != 0 ? 1 : 0;
    }
    done = true;
    asking.join();
    CHECK(hung == 0);
}

TEST_CASE("The start method is set once, unless by force, and asking for it fixes it",
          "[process]") {
    const Watch watch;
    const pid_t child = fork_child([] {
        mp::detail::default_start_method = mp::detail::no_start_method;
        mp::set_start_method(mp::StartMethod::spawn);
        bool good = mp::get_start_method() == mp::StartMethod::spawn;
        try {
            mp::set_start_method(mp::StartMethod::spawn);
            good = false;
        } catch (const std::runtime_error&) {
        }
        mp::set_start_method(mp::StartMethod::forkserver, true);
        good = good && mp::get_start_method() == mp::StartMethod::forkserver;
        mp::detail::default_start_method = mp::detail::no_start_method;
        good = good && mp::get_start_method() == mp::StartMethod::fork;
        try {
            mp::set_start_method(mp::StartMethod::spawn);
            good = false;
        } catch (const std::runtime_error&) {
        }
        ::_exit(good ? 0 : 1);
    });
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("Several threads may join one process", "[process]") {
    const Watch watch;
    const Notes notes;
    mp::Process process(note_and_sleep, {notes.path()}, {.start_method = every_method()});
    process.start();
    (void)notes.await(1);
    std::atomic<int> joined{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] { joined += process.join(patience) ? 1 : 0; });
    process.kill();
    for (std::thread& thread : threads)
        thread.join();
    CHECK(joined == 3);
    CHECK(process.exitcode() == -SIGKILL);
}

TEST_CASE("Default names count along the tree of processes", "[process]") {
    const Watch watch;
    const Notes notes;
    mp::Process process(
        [](std::string file) {
            const mp::Process first(do_nothing);
            const mp::Process second(do_nothing);
            note(file, mp::current_process().name());
            note(file, first.name());
            note(file, second.name());
        },
        {notes.path()}, {.start_method = every_method()});
    process.start();
    process.join();
    const std::string name = process.name();
    CHECK(name.rfind("Process-", 0) == 0);
    CHECK(notes.lines() == std::vector<std::string>{name, name + ":1", name + ":2"});
}

TEST_CASE("A target larger than a packet reaches the child whole", "[process]") {
    const Watch watch;
    const std::string large(2'000'000, 'x');
    mp::Process process(
        [](std::string text) {
            std::exit(text.find_first_not_of('x') == std::string::npos && text.size() == 2'000'000
                          ? 0
                          : 1);
        },
        {large}, {.start_method = every_method()});
    process.start();
    process.join();
    CHECK(process.exitcode() == 0);
}

TEST_CASE("Output that was buffered before the start is written once", "[process]") {
    const Watch watch;
    const Notes notes;
    const auto method = every_method();
    const pid_t pid = fork_child([&] {
        const int fd = ::open(notes.path().c_str(), O_WRONLY | O_APPEND);
        ::dup2(fd, STDOUT_FILENO);
        std::printf("before ");
        mp::Process process([] { std::printf("child "); }, {}, {.start_method = method});
        process.start();
        process.join();
        std::printf("after");
        std::fflush(stdout);
    });
    ::waitpid(pid, nullptr, 0);
    CHECK(notes.text() == "before child after");
}

TEST_CASE("CPU counts follow affinity and the environment", "[process]") {
    cpu_set_t before;
    cpu_set_t one;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    CPU_ZERO(&one);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(mp::process_cpu_count() == 1);
    CHECK(mp::cpu_count() >= CPU_COUNT(&before));
    ::setenv("MULTIPROCESSING_CPU_COUNT", "17", 1);
    CHECK(mp::cpu_count() == 17);
    CHECK(mp::process_cpu_count() == 17);
    for (const char* const nonsense : {"", "0", "-3", "2x", "default"}) {
        ::setenv("MULTIPROCESSING_CPU_COUNT", nonsense, 1);
        CHECK(mp::process_cpu_count() == 1);
    }
    ::unsetenv("MULTIPROCESSING_CPU_COUNT");
    REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
}
