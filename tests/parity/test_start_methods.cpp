// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's TestStartMethod and TestNoForkBomb that concern processes.
#include <stdexcept>

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

TEST_CASE("TestStartMethod.test_mixed_startmethod: every method inside every other",
          "[parity][process]") {
    const Watch watch;
    const auto outer = every_method();
    const auto inner = every_method();
    const Notes notes;
    mp::Process process(start_another, {notes.path(), inner}, {.start_method = outer});
    process.start();
    process.join();
    CHECK(process.exitcode() == 0);
    CHECK(notes.lines() == std::vector<std::string>{to_string(inner)});
}

TEST_CASE("TestStartMethod.test_nested_startmethod: what a child was given reaches its child",
          "[parity][process]") {
    const Watch watch;
    const auto method = every_method();
    const Notes notes;
    mp::Process process(
        [](std::string file, mp::StartMethod how) {
            mp::Process grandchild([](std::string path) { note(path, "reached"); }, {file},
                                   {.start_method = how});
            grandchild.start();
            grandchild.join();
        },
        {notes.path(), method}, {.start_method = method});
    process.start();
    process.join();
    CHECK(notes.text() == "reached\n");
}
