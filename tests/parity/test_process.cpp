// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestProcess, _TestSubclassingProcess, _TestPollEintr, _TestAtExit,
// TestStdinBadfiledescriptor and TestCloseFds.
#include <sys/syscall.h>

#include <fstream>
#include <map>
#include <memory>

#include <multiprocessing.hpp>

#include "process/process_tools.hpp"

using namespace process_test;

namespace {

void do_nothing() {}
void note_and_sleep(std::string file) {
    note(file, std::to_string(::getpid()));
    sleep_long();
}
bool listed(const mp::Process& process) {
    for (const mp::ProcessInfo& child : mp::active_children())
        if (child.pid() == process.pid())
            return true;
    return false;
}

}  // namespace

TEST_CASE("_TestProcess.test_current", "[parity][process]") {
    const mp::ProcessInfo current = mp::current_process();
    CHECK(current.is_alive());
    CHECK_FALSE(current.daemon());
    CHECK(current.name() == "MainProcess");
    CHECK(current.ident() == ::getpid());
    CHECK(current.pid() == ::getpid());
    CHECK_FALSE(current.exitcode());
}

namespace {
/// Another name of this program while it lives, beside it, and the end of set_executable's effect.
class OtherName {
  public:
    OtherName() {
        char path[4096] = {};
        REQUIRE(::readlink("/proc/self/exe", path, sizeof path - 1) > 0);
        path_ = path + std::string("-") + std::to_string(::getpid());
        REQUIRE(::link(path, path_.c_str()) == 0);
    }
    OtherName(const OtherName&) = delete;
    OtherName& operator=(const OtherName&) = delete;
    ~OtherName() {
        mp::set_executable("/proc/self/exe");
        mp::detail::process_server::instance().stop();
        ::unlink(path_.c_str());
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};
void note_executable(std::string file) {
    char path[4096] = {};
    note(file, ::readlink("/proc/self/exe", path, sizeof path - 1) > 0 ? path : "unknown");
}
}  // namespace

TEST_CASE("_TestProcess.test_set_executable", "[parity][process]") {
    const Watch watch;
    const auto method = GENERATE(mp::StartMethod::spawn, mp::StartMethod::forkserver);
    const OtherName other;
    const Notes notes;
    const auto use = [](const std::string& path) {
        mp::set_executable(path);
        mp::detail::process_server::instance().stop();  // it is executed once
    };
    use(other.path());
    mp::Process process(note_executable, {notes.path()}, {.start_method = method});
    process.start();
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK(notes.lines() == std::vector{other.path()});

    // another program is told from this one, and its failure is no hang
    use("/bin/true");
    mp::Process wrong(do_nothing, {}, {.start_method = method});
    CHECK_THROWS_AS(wrong.start(), mp::ProcessError);
    use("/there/is/no/such/program");
    mp::Process none(do_nothing, {}, {.start_method = method});
    CHECK_THROWS(none.start());
}

namespace {
void note_arguments(std::string file, int number, double real, std::vector<std::string> words,
                    std::map<std::string, int> table) {
    std::string text = std::to_string(number) + " " + std::to_string(real);
    for (const std::string& word : words)
        text += " " + word;
    for (const auto& [key, value] : table)
        text += " " + key + "=" + std::to_string(value);
    note(file, text);
}
}  // namespace

TEST_CASE("_TestProcess.test_args_argument", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    const std::vector<std::string> words{"a", "", "two words"};
    const std::map<std::string, int> table{{"x", 1}, {"y", -2}};
    mp::Process braces(note_arguments, {notes.path(), 7, 0.5, words, table},
                       {.start_method = method});
    mp::Process tuple(note_arguments, std::tuple(notes.path(), 7, 0.5, words, table),
                      {.start_method = method});
    for (mp::Process* const process : {&braces, &tuple}) {
        process->start();
        process->join();
        CHECK(process->exitcode() == 0);
    }
    const std::string expected = "7 0.500000 a  two words x=1 y=-2";
    CHECK(notes.lines() == std::vector<std::string>{expected, expected});
}

namespace {
void note_daemon(std::string file) {
    const mp::Process inherits(do_nothing);
    const mp::Process overrides(do_nothing, {}, {.daemon = false});
    note(file, std::to_string(mp::current_process().daemon()) + std::to_string(inherits.daemon()) +
                   std::to_string(overrides.daemon()));
}
}  // namespace

TEST_CASE("_TestProcess.test_daemon_argument", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const mp::Process by_default(do_nothing);
    const mp::Process yes(do_nothing, {}, {.daemon = true});
    const mp::Process no(do_nothing, {}, {.daemon = false});
    CHECK_FALSE(by_default.daemon());
    CHECK(yes.daemon());
    CHECK_FALSE(no.daemon());
    const Notes notes;
    for (const bool daemon : {false, true}) {
        mp::Process child(note_daemon, {notes.path()}, {.daemon = daemon, .start_method = method});
        child.start();
        child.join();
        CHECK(child.exitcode() == 0);
    }
    CHECK(notes.lines() == std::vector<std::string>{"000", "110"});
}

namespace {
void note_parent(std::string file) {
    const auto parent = mp::parent_process();
    note(file, parent ? std::to_string(*parent->pid()) + " " + parent->name() : "none");
}
}  // namespace

TEST_CASE("_TestProcess.test_parent_process_attributes", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    CHECK_FALSE(mp::parent_process());
    const Notes notes;
    mp::Process child(note_parent, {notes.path()}, {.start_method = method});
    child.start();
    child.join();
    CHECK(notes.lines() == std::vector<std::string>{std::to_string(::getpid()) + " MainProcess"});
}

namespace {
void watch_parent(std::string file) {
    const auto parent = mp::parent_process();
    note(file, parent->is_alive() ? "alive" : "not alive");
    const bool ended = parent->join(patience);
    note(file, ended && !parent->is_alive() ? "not alive" : "alive");
}
void have_child(std::string file, mp::StartMethod method) {
    mp::Process child(watch_parent, {file}, {.start_method = method});
    child.start();
    sleep_long();
}
}  // namespace

TEST_CASE("_TestProcess.test_parent_process", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    mp::Process child(have_child, {notes.path(), method}, {.start_method = method});
    child.start();
    CHECK(notes.await(1).at(0) == "alive");
    child.terminate();
    child.join();
    CHECK(child.exitcode() == -SIGTERM);
    CHECK(notes.await(2).at(1) == "not alive");
}

TEST_CASE("_TestProcess.test_process", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    const mp::Event may_end;
    mp::Process process(
        [](std::string file, int number, mp::Event end) {
            note(file, std::to_string(number) + " " + mp::current_process().name() + " " +
                           std::to_string(::getpid()));
            end.wait();
        },
        {notes.path(), 12, may_end},
        {.name = "SomeProcess", .daemon = true, .start_method = method});
    CHECK_FALSE(process.is_alive());
    CHECK(process.daemon());
    CHECK_FALSE(process.exitcode());
    CHECK_FALSE(process.pid());
    CHECK_FALSE(listed(process));
    process.start();
    CHECK(process.pid() == process.ident());
    CHECK(notes.await(1).at(0) == "12 SomeProcess " + std::to_string(*process.pid()));
    CHECK(process.is_alive());
    CHECK(listed(process));
    CHECK_FALSE(process.exitcode());
    may_end.set();
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK_FALSE(process.is_alive());
    CHECK_FALSE(listed(process));
}

TEST_CASE("_TestProcess.test_process_mainthread_native_id", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    mp::Process process([](std::string file) { note(file, std::to_string(::syscall(SYS_gettid))); },
                        {notes.path()}, {.start_method = method});
    process.start();
    process.join();
    CHECK(notes.number(0) != ::syscall(SYS_gettid));
    CHECK(notes.number(0) == process.pid());
}

namespace {
void check_ended_by(void (mp::Process::*end)(), int signal, mp::StartMethod method) {
    const Notes notes;
    mp::Process process(note_and_sleep, {notes.path()}, {.daemon = true, .start_method = method});
    process.start();
    CHECK(process.is_alive());
    CHECK(listed(process));
    CHECK_FALSE(process.exitcode());
    REQUIRE(notes.number(0) == process.pid());

    const auto before = std::chrono::steady_clock::now();
    CHECK_FALSE(process.join(0s));
    CHECK_FALSE(process.join(-1s));
    CHECK(std::chrono::steady_clock::now() - before < 5s);
    CHECK(process.is_alive());

    (process.*end)();
    CHECK(process.join(patience));
    CHECK_FALSE(process.is_alive());
    CHECK_FALSE(listed(process));
    CHECK(process.exitcode() == -signal);
    process.join();  // as often as wanted
    (process.*end)();
}
}  // namespace

TEST_CASE("_TestProcess.test_terminate", "[parity][process]") {
    const Watch watch;
    check_ended_by(&mp::Process::terminate, SIGTERM, every_method());
}

TEST_CASE("_TestProcess.test_kill", "[parity][process]") {
    const Watch watch;
    check_ended_by(&mp::Process::kill, SIGKILL, every_method());
}

TEST_CASE("_TestProcess.test_interrupt", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const CapturedErrors errors;
    const Notes notes;
    mp::Process process(
        [](std::string file) {
            mp::InterruptGuard guard;
            mp::Process child(sleep_long, {},
                              {.daemon = true, .start_method = mp::StartMethod::fork});
            child.daemon(false);
            child.start();
            note(file, std::to_string(*child.pid()));
            try {
                child.join();
            } catch (const mp::KeyboardInterrupt&) {
                child.kill();
                throw;
            }
        },
        {notes.path()}, {.start_method = method});
    process.start();
    const int grandchild = notes.number(0);
    process.interrupt();
    REQUIRE(process.join(patience));
    CHECK(process.exitcode() == 1);
    CHECK(errors.text().find("KeyboardInterrupt") != std::string::npos);
    CHECK(eventually([&] { return gone(grandchild); }));
}

TEST_CASE("_TestProcess.test_interrupt_no_handler", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    mp::Process process(note_and_sleep, {notes.path()}, {.start_method = method});
    process.start();
    (void)notes.await(1);
    process.interrupt();
    process.join();
    CHECK(process.exitcode() == -SIGINT);
}

TEST_CASE("_TestProcess.test_cpu_count", "[parity][process]") {
    CHECK(mp::cpu_count() >= 1);
    CHECK(mp::process_cpu_count() >= 1);
    CHECK(mp::process_cpu_count() <= mp::cpu_count());
}

TEST_CASE("_TestProcess.test_active_children", "[parity][process]") {
    const Watch watch;
    const Notes notes;
    mp::Process process(note_and_sleep, {notes.path()}, {.start_method = every_method()});
    CHECK(mp::active_children().empty());
    process.start();
    REQUIRE(mp::active_children().size() == 1);
    const mp::ProcessInfo info = mp::active_children().front();
    CHECK(info.pid() == process.pid());
    CHECK(info.name() == process.name());
    info.terminate();
    info.join();
    CHECK(info.exitcode() == -SIGTERM);
    CHECK(process.exitcode() == -SIGTERM);
    CHECK(mp::active_children().empty());
}

namespace {
void walk(std::string file, std::vector<int> id, mp::StartMethod method) {
    std::string text;
    for (const int number : id)
        text += std::to_string(number);
    note(file, text);
    if (id.size() == 2)
        return;
    for (int i = 0; i < 2; ++i) {
        std::vector<int> deeper = id;
        deeper.push_back(i);
        mp::Process child(walk, {file, deeper, method}, {.start_method = method});
        child.start();
        child.join();
    }
}
}  // namespace

TEST_CASE("_TestProcess.test_recursion", "[parity][process]") {
    const Watch watch;
    const Notes notes;
    walk(notes.path(), {}, every_method());
    CHECK(notes.lines() == std::vector<std::string>{"", "0", "00", "01", "1", "10", "11"});
}

TEST_CASE("_TestProcess.test_sentinel", "[parity][process]") {
    const Watch watch;
    const Notes notes;
    mp::Process process(note_and_sleep, {notes.path()}, {.start_method = every_method()});
    CHECK_THROWS_AS(process.sentinel(), mp::ValueError);
    process.start();
    (void)notes.await(1);
    const int sentinel = process.sentinel();
    CHECK(sentinel > 2);
    CHECK_FALSE(readable(sentinel));
    process.kill();
    CHECK(readable(sentinel, patience));
    process.join();
    CHECK(readable(sentinel));
}

TEST_CASE("_TestProcess.test_close", "[parity][process]") {
    const Watch watch;
    const Notes notes;
    const auto before = open_descriptors();
    mp::Process process(note_and_sleep, {notes.path()},
                        {.start_method = GENERATE(mp::StartMethod::fork, mp::StartMethod::spawn)});
    process.start();
    CHECK_THROWS_AS(process.close(), mp::ValueError);
    process.kill();
    process.join();
    CHECK(process.exitcode() == -SIGKILL);
    process.close();
    CHECK_THROWS_AS(process.is_alive(), mp::ValueError);
    CHECK_THROWS_AS(process.join(), mp::ValueError);
    CHECK_THROWS_AS(process.terminate(), mp::ValueError);
    CHECK_THROWS_AS(process.exitcode(), mp::ValueError);
    process.close();
    CHECK(open_descriptors() == before);
}

TEST_CASE("_TestProcess.test_many_processes", "[parity][process]") {
    const Watch watch(4 * patience);
    const auto method = every_method();
    const int count = method == mp::StartMethod::spawn ? 5 : 100;
    std::vector<mp::Process> processes;
    for (int i = 0; i < count; ++i)
        processes.emplace_back(do_nothing, std::tuple(),
                               mp::ProcessOptions{.start_method = method});
    for (mp::Process& process : processes)
        process.start();
    for (mp::Process& process : processes) {
        process.join();
        CHECK(process.exitcode() == 0);
    }
    processes.clear();
    for (int i = 0; i < count; ++i)
        processes.emplace_back(sleep_long, std::tuple(),
                               mp::ProcessOptions{.start_method = method});
    for (mp::Process& process : processes)
        process.start();
    for (mp::Process& process : processes)
        process.terminate();
    for (mp::Process& process : processes) {
        process.join();
        CHECK(process.exitcode() == -SIGTERM);
    }
}

TEST_CASE("_TestProcess.test_lose_target_ref", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const auto token = std::make_shared<int>(1);
    mp::Process process([](std::shared_ptr<int> number) { std::exit(*number); }, {token},
                        {.start_method = method});
    CHECK(token.use_count() == 2);
    process.start();
    CHECK(token.use_count() == 1);
    process.join();
    CHECK(process.exitcode() == 1);

    if (method == mp::StartMethod::fork) {
        mp::Process capturing([token] { std::exit(*token); });
        CHECK(token.use_count() == 2);
        capturing.start();
        CHECK(token.use_count() == 1);
        capturing.join();
        CHECK(capturing.exitcode() == 1);
    }
}

namespace {
void note_descriptor_count(std::string file) {
    note(file, std::to_string(open_descriptors().size()));
}
}  // namespace

TEST_CASE("_TestProcess.test_child_fd_inflation", "[parity][process]") {
    const Watch watch;
    const auto method = GENERATE(mp::StartMethod::spawn, mp::StartMethod::forkserver);
    const Notes notes;
    std::vector<mp::Process> processes;
    for (int i = 0; i < 5; ++i) {
        processes.emplace_back(note_descriptor_count, std::tuple(notes.path()),
                               mp::ProcessOptions{.start_method = method});
        processes.back().start();
    }
    const auto counts = notes.await(5);
    CHECK(std::set<std::string>(counts.begin(), counts.end()).size() == 1);
    CHECK(std::stoi(counts.at(0)) <= 7);
}

TEST_CASE("_TestProcess.test_wait_for_threads", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    // std::thread makes its owner wait; a detached one is Python's daemonic thread
    mp::Process process(
        [](std::string file) {
            std::thread([] { sleep_long(); }).detach();
            std::thread worker([file] {
                std::this_thread::sleep_for(50ms);
                note(file, "waited");
            });
            worker.join();
        },
        {notes.path()}, {.start_method = method});
    process.start();
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK(notes.lines().size() == 1);
}

TEST_CASE("_TestProcess.test_error_on_stdio_flush_1: no standard streams are inherited",
          "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    // in a process of its own, which has a main program's freedom to close its streams
    const pid_t pid = fork_child([method] {
        ::close(0);
        ::close(1);
        ::close(2);
        mp::Process process(do_nothing, {}, {.start_method = method});
        process.start();
        process.join();
        if (process.exitcode() != 0)
            ::_exit(1);
    });
    int status = -1;
    ::waitpid(pid, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("_TestProcess.test_error_on_stdio_flush_2: the child closes its standard streams",
          "[parity][process]") {
    const Watch watch;
    mp::Process process(
        [] {
            std::printf("never seen");
            ::close(1);
            ::close(2);
        },
        {}, {.start_method = every_method()});
    process.start();
    process.join();
    CHECK(process.exitcode() == 0);
}

TEST_CASE("_TestProcess.test_forkserver_sigint", "[parity][process]") {
    const Watch watch;
    const auto method = mp::StartMethod::forkserver;
    mp::Process first(do_nothing, {}, {.start_method = method});
    first.start();
    first.join();
    const Notes notes;
    mp::Process sleeper(note_and_sleep, {notes.path()}, {.start_method = method});
    sleeper.start();
    (void)notes.await(1);
    const pid_t server = mp::detail::process_server::instance().pid();
    REQUIRE(server > 0);
    ::kill(server, SIGINT);
    ::kill(server, SIGTERM);
    mp::Process later(do_nothing, {}, {.start_method = method});
    later.start();
    later.join();
    CHECK(later.exitcode() == 0);
    CHECK(mp::detail::process_server::instance().pid() == server);
    CHECK(sleeper.is_alive());
    sleeper.kill();
    sleeper.join();
    CHECK(sleeper.exitcode() == -SIGKILL);
}

TEST_CASE("_TestProcess.test_forkserver_sigkill", "[parity][process]") {
    const Watch watch;
    const auto method = mp::StartMethod::forkserver;
    const Notes notes;
    mp::Process old(
        [](std::string file) {
            note(file, std::to_string(::getpid()));
            std::this_thread::sleep_for(300ms);
        },
        {notes.path()}, {.start_method = method});
    old.start();
    (void)notes.await(1);
    const pid_t server = mp::detail::process_server::instance().pid();
    REQUIRE(server > 0);
    ::kill(server, SIGKILL);
    REQUIRE(eventually([&] { return mp::detail::process_server::instance().pid() != server; }));
    mp::Process later(do_nothing, {}, {.start_method = method});
    later.start();
    later.join();
    CHECK(later.exitcode() == 0);
    CHECK(old.join(patience));
    const auto code = old.exitcode();
    CHECK((code == 0 || code == 255));
}

namespace {
class Upper final : public mp::Process {
  public:
    explicit Upper(std::string file) : mp::Process({.name = "upper"}), file_(std::move(file)) {
        REQUIRE(::pipe(to_child_) == 0);
    }
    ~Upper() override {
        ::close(to_child_[0]);
        ::close(to_child_[1]);
    }
    void submit(const std::string& text) const {
        REQUIRE(::write(to_child_[1], text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
    }
    void stop() { ::close(std::exchange(to_child_[1], -1)); }
    void run() override {
        ::close(to_child_[1]);
        char letter = 0;
        std::string text;
        while (::read(to_child_[0], &letter, 1) == 1)
            text.push_back(static_cast<char>(std::toupper(letter)));
        note(file_, text);
    }

  private:
    std::string file_;
    int to_child_[2] = {-1, -1};
};
}  // namespace

TEST_CASE("_TestSubclassingProcess.test_subclassing", "[parity][process]") {
    const Watch watch;
    const Notes notes;
    Upper upper(notes.path());
    upper.start();
    upper.submit("hello");
    upper.submit(" world");
    upper.stop();
    upper.join();
    CHECK(upper.exitcode() == 0);
    CHECK(notes.text() == "HELLO WORLD\n");
}

TEST_CASE("_TestSubclassingProcess.test_stderr_flush", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    std::string text;
    {
        const CapturedErrors errors;
        mp::Process process([] { throw std::out_of_range("1/0 # MARKER"); }, {},
                            {.name = "thrower", .start_method = method});
        process.start();
        process.join();
        CHECK(process.exitcode() == 1);
        text = errors.text();
    }
    CHECK(text == "Process thrower:\nstd::out_of_range: 1/0 # MARKER\n");
}

TEST_CASE("_TestSubclassingProcess.test_sys_exit", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    for (const int code : {0, 1, 8, 255}) {
        mp::Process process([](int status) { std::exit(status); }, {code},
                            {.start_method = method});
        process.start();
        process.join();
        CHECK(process.exitcode() == code);
    }
    const CapturedErrors errors;
    mp::Process process([] { throw std::string("ignore this"); }, {}, {.start_method = method});
    process.start();
    process.join();
    CHECK(process.exitcode() == 1);
    CHECK(errors.text().find("ignore this") != std::string::npos);
}

TEST_CASE("_TestPollEintr.test_poll_eintr", "[parity][process]") {
    const Watch watch;
    static std::atomic<int> signals{0};
    signals = 0;
    struct sigaction action = {};
    struct sigaction before = {};
    action.sa_handler = [](int) { ++signals; };
    ::sigaction(SIGUSR1, &action, &before);
    const pid_t self = ::getpid();
    mp::Process process(
        [](pid_t parent) {
            for (int i = 0; i < 5; ++i) {
                std::this_thread::sleep_for(20ms);
                ::kill(parent, SIGUSR1);
            }
            std::this_thread::sleep_for(20ms);
        },
        {self}, {.start_method = every_method()});
    process.start();
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK(signals > 0);  // those that come together count once
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("_TestAtExit.test_atexit", "[parity][process]") {
    const Watch watch;
    const Notes notes;
    mp::Process process(
        [](std::string file) {
            static std::string kept;
            kept = file;
            std::atexit([] { note(kept, "exit handler"); });
        },
        {notes.path()}, {.start_method = every_method()});
    process.start();
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK(notes.lines() == std::vector<std::string>{"exit handler"});
}

TEST_CASE("TestStdinBadfiledescriptor.test_flushing: a buffer is not written twice",
          "[parity][process]") {
    const Watch watch;
    const Notes notes;
    std::ofstream file(notes.path());
    file << "foo";  // stays in the stream's buffer
    mp::Process process([&file] { (void)file.good(); });
    process.start();
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK(notes.text().empty());
    file.flush();
    CHECK(notes.text() == "foo");
}

TEST_CASE("TestCloseFds.test_closefd", "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    const int fd = ::open("/dev/null", O_RDONLY);  // not even closed on exec
    const int high = ::fcntl(fd, F_DUPFD, 150);
    mp::Process process(
        [](std::string file, int number) {
            note(file, ::fcntl(number, F_GETFD) >= 0 ? "open" : "closed");
        },
        {notes.path(), high}, {.start_method = method});
    process.start();
    process.join();
    ::close(fd);
    ::close(high);
    CHECK(notes.lines().at(0) == (method == mp::StartMethod::fork ? "open" : "closed"));
}
