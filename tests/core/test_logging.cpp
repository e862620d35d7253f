// SPDX-License-Identifier: BSL-1.0
// The logger: what it writes, and when it is silent.
#include <multiprocessing/core/logging.hpp>

#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace mp = multiprocessing;

namespace {

/// What is written to standard error while `body()` runs.
template <class Body>
std::string stderr_of(Body body) {
    std::FILE* file = std::tmpfile();
    std::fflush(stderr);
    const int before = ::dup(2);
    ::dup2(::fileno(file), 2);
    body();
    ::dup2(before, 2);
    ::close(before);
    std::rewind(file);
    std::string text;
    std::array<char, 4096> buffer;
    while (const auto size = std::fread(buffer.data(), 1, buffer.size(), file))
        text.append(buffer.data(), size);
    std::fclose(file);
    return text;
}

}  // namespace

// One case, because the logger keeps its state: what it does at first can be seen once only.
TEST_CASE("Logger writes bare warnings at first and complete lines after log_to_stderr", "[core]") {
    mp::Logger& logger = mp::get_logger();
    CHECK(&logger == &mp::get_logger());
    CHECK(logger.getEffectiveLevel() == mp::LogLevel::warning);
    CHECK(stderr_of([&] {
              logger.debug("debug");
              logger.info("info");
              logger.warning("warning");
              logger.error("error");
          }) == "warning\nerror\n");

    logger.setLevel(mp::LogLevel::error);
    CHECK(logger.getEffectiveLevel() == mp::LogLevel::error);
    logger.set_level(mp::LogLevel::debug);
    CHECK(logger.getEffectiveLevel() == mp::LogLevel::debug);
    CHECK(stderr_of([&] { logger.info("still without a handler"); }).empty());

    CHECK(&mp::log_to_stderr(mp::LogLevel::info) == &logger);
    CHECK(logger.getEffectiveLevel() == mp::LogLevel::info);
    CHECK(logger.isEnabledFor(mp::LogLevel::subwarning));
    CHECK_FALSE(logger.isEnabledFor(mp::LogLevel::debug));
    CHECK(stderr_of([&] {
              logger.debug("debug");
              logger.info("info");
              logger.log(mp::LogLevel::subwarning, "between");
              logger.error("");
          }) ==
          "[INFO/MainProcess] info\n[SUBWARNING/MainProcess] between\n[ERROR/MainProcess] \n");

    mp::log_to_stderr();
    CHECK(logger.getEffectiveLevel() == mp::LogLevel::info);
    CHECK(stderr_of([&] { logger.info("once"); }) == "[INFO/MainProcess] once\n");
}

TEST_CASE("Logger names the process that the hook names", "[core]") {
    mp::log_to_stderr(mp::LogLevel::info);
    const auto before = mp::detail::log_process_name.exchange(+[] { return std::string("Ada"); });
    const std::string text = stderr_of([] { mp::get_logger().info("hello"); });
    mp::detail::log_process_name = before;
    CHECK(text == "[INFO/Ada] hello\n");
}

TEST_CASE("Logger does not mix the lines of threads", "[core]") {
    mp::log_to_stderr(mp::LogLevel::info);
    const std::string message(300, 'x');
    const std::string text = stderr_of([&] {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                for (int j = 0; j < 200; ++j)
                    mp::get_logger().info(message);
            });
        for (auto& thread : threads)
            thread.join();
    });
    const std::string line = "[INFO/MainProcess] " + message + "\n";
    REQUIRE(text.size() == 800 * line.size());
    bool whole = true;
    for (std::size_t at = 0; at < text.size(); at += line.size())
        whole = whole && text.compare(at, line.size(), line) == 0;
    CHECK(whole);
}

TEST_CASE("LogLevel has Python's numbers and names", "[core]") {
    CHECK(static_cast<int>(mp::LogLevel::subdebug) == 5);
    CHECK(static_cast<int>(mp::LogLevel::subwarning) == 25);
    CHECK(to_string(mp::LogLevel::debug) == "DEBUG");
    CHECK(to_string(static_cast<mp::LogLevel>(12)) == "Level 12");
}
