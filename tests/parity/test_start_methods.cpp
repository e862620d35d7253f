// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's TestStartMethod, TestNoForkBomb and _TestLogging that concern
// processes, and of TestStdinBadfiledescriptor that concern queues.
#include <stdexcept>

#include <multiprocessing.hpp>

#include "process/process_tools.hpp"

using namespace process_test;

namespace {

void note_method(std::string file) {
    note(file, to_string(mp::get_start_method()));
}

/// Lets a case set the start method and puts it back.
struct RestoredMethod {
    mp::StartMethod before = mp::get_start_method();
    RestoredMethod() = default;
    RestoredMethod(const RestoredMethod&) = delete;
    RestoredMethod& operator=(const RestoredMethod&) = delete;
    ~RestoredMethod() { mp::set_start_method(before, true); }
};

}  // namespace

TEST_CASE("TestStartMethod.test_context: the child sees the method it was started by",
          "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    mp::Process process(note_method, {notes.path()}, {.start_method = method});
    process.start();
    process.join();
    CHECK(notes.lines() == std::vector<std::string>{to_string(method)});
}

TEST_CASE("TestStartMethod.test_set_get", "[parity][process]") {
    const Watch watch;
    const RestoredMethod restored;
    const auto method = every_method();
    mp::set_start_method(method, true);
    CHECK(mp::get_start_method() == method);
    CHECK_THROWS_AS(mp::set_start_method(mp::StartMethod::fork), std::runtime_error);
    CHECK(mp::get_start_method() == method);
    const Notes notes;
    mp::Process process(note_method, {notes.path()});
    process.start();
    process.join();
    CHECK(notes.lines() == std::vector<std::string>{to_string(method)});
}

TEST_CASE("TestStartMethod.test_get_all_start_methods", "[parity][process]") {
    std::vector<std::string> names;
    for (const mp::StartMethod method : mp::get_all_start_methods())
        names.push_back(to_string(method));
    CHECK(names == std::vector<std::string>{"fork", "spawn", "forkserver"});
}

TEST_CASE("TestStartMethod.test_spawn_dont_set_context: a named method fixes no default",
          "[parity][process]") {
    const Watch watch;
    const RestoredMethod restored;
    mp::set_start_method(mp::StartMethod::fork, true);
    mp::Process process([] {}, {}, {.start_method = mp::StartMethod::spawn});
    process.start();
    process.join();
    CHECK(mp::get_start_method() == mp::StartMethod::fork);
}

namespace {
void start_another(std::string file, mp::StartMethod method) {
    mp::Process grandchild(note_method, {file}, {.start_method = method});
    grandchild.start();
    grandchild.join();
    std::exit(grandchild.exitcode().value_or(9));
}
}  // namespace

/// Runs the case once for every pair of start methods. The two lists stand on lines of their own:
/// what is generated twice at one place has one value.
std::pair<mp::StartMethod, mp::StartMethod> every_pair() {
    const auto outer =
        GENERATE(mp::StartMethod::fork, mp::StartMethod::spawn, mp::StartMethod::forkserver);
    const auto inner =
        GENERATE(mp::StartMethod::fork, mp::StartMethod::spawn, mp::StartMethod::forkserver);
    return {outer, inner};
}

TEST_CASE("TestStartMethod.test_mixed_startmethod: every method inside every other",
          "[parity][process]") {
    const Watch watch;
    const auto [outer, inner] = every_pair();
    const Notes notes;
    mp::Process process(start_another, {notes.path(), inner}, {.start_method = outer});
    process.start();
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK(notes.lines() == std::vector<std::string>{to_string(inner)});
}

namespace {
void try_then_wait(mp::Lock lock, mp::Queue<bool> answers) {
    answers.put(lock.acquire(false));
    answers.put(lock.acquire(patience));
    lock.release();
}
}  // namespace

TEST_CASE("TestStartMethod.test_mixed_startmethod: what one context made serves all others",
          "[parity][process]") {
    const Watch watch;
    const auto [maker, user] = every_pair();
    const mp::Lock lock = mp::get_context(maker).Lock();
    const auto answers = mp::get_context(maker).Queue<bool>();
    lock.acquire();
    mp::Process process = mp::get_context(user).Process(try_then_wait, {lock, answers});
    process.start();
    CHECK_FALSE(answers.get(patience));  // the same lock, and we hold it
    lock.release();
    CHECK(answers.get(patience));
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK(lock.acquire(false));
    lock.release();
}

namespace {
/// The second number tells whose child it is.
void put_from_below(mp::Queue<std::pair<std::string, pid_t>> queue) {
    for (const char* const item : {"first", "second"})
        queue.put({item, *mp::parent_process()->pid()});
}
void pass_on(mp::Queue<std::pair<std::string, pid_t>> queue, mp::StartMethod method) {
    mp::Process grandchild(put_from_below, {queue}, {.start_method = method});
    grandchild.start();
    grandchild.join();
    queue.put({"child", *mp::parent_process()->pid()});
    std::exit(grandchild.exitcode().value_or(9));
}
}  // namespace

TEST_CASE(
    "TestStartMethod.test_nested_startmethod, TestStdinBadfiledescriptor.test_queue_in_process",
    "[parity][process]") {
    const Watch watch;
    const auto [outer, inner] = every_pair();
    const mp::Queue<std::pair<std::string, pid_t>> queue;
    mp::Process child(pass_on, {queue, inner}, {.start_method = outer});
    child.start();
    const pid_t pid = *child.pid();
    CHECK(queue.get(patience) == std::pair(std::string("first"), pid));
    CHECK(queue.get(patience) == std::pair(std::string("second"), pid));
    CHECK(queue.get(patience) == std::pair(std::string("child"), ::getpid()));
    child.join();
    CHECK(child.exitcode() == 0);
    CHECK(queue.empty());
}

namespace {
/// Lets a case tell the logger what it likes.
struct RestoredLogger {
    mp::detail::log_settings before = mp::detail::log_settings::of_this_process();
    RestoredLogger() = default;
    RestoredLogger(const RestoredLogger&) = delete;
    RestoredLogger& operator=(const RestoredLogger&) = delete;
    ~RestoredLogger() { before.apply(); }
};
int own_level() {
    return static_cast<int>(mp::get_logger().getEffectiveLevel());
}
void tell_level(mp::Queue<int> levels) {
    mp::get_logger().info("this is the child");
    levels.put(own_level());
}
}  // namespace

TEST_CASE("_TestLogging.test_level: a child logs as its parent does when it starts it",
          "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const CapturedErrors errors;
    const RestoredLogger restored;
    const mp::Queue<int> levels;
    const auto run = [&] {
        mp::Process child(tell_level, {levels}, {.name = "talker", .start_method = method});
        child.start();
        child.join();
        CHECK(child.exitcode() == 0);
        return levels.get(patience);
    };
    mp::get_logger().setLevel(mp::LogLevel::error);
    CHECK(run() == static_cast<int>(mp::LogLevel::error));
    mp::get_logger().setLevel(mp::LogLevel::debug);
    CHECK(run() == static_cast<int>(mp::LogLevel::debug));
    CHECK(errors.text().empty());  // no handler is no handler there, too

    // a fork server that runs by now does not keep what it was started with
    mp::log_to_stderr(mp::LogLevel::info);
    CHECK(run() == static_cast<int>(mp::LogLevel::info));
    CHECK(errors.text() ==
          "[INFO/talker] child process begins its work\n"
          "[INFO/talker] this is the child\n"
          "[INFO/talker] process exits with exit code 0\n");
}

TEST_CASE("_TestLogging.test_level: a pool's workers, too", "[parity][pool]") {
    const Watch watch;
    const RestoredLogger restored;
    mp::get_logger().setLevel(mp::LogLevel::error);
    mp::Pool<> pool({.processes = 1, .start_method = every_method()});
    CHECK(pool.apply(own_level, {}) == static_cast<int>(mp::LogLevel::error));
}
