// SPDX-License-Identifier: BSL-1.0
// What the tests of processes share: deadlines, looking at processes through /proc, and notes that
// a process of any start method leaves for the test.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <multiprocessing/process.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/process.hpp"
#include "support/start_methods.hpp"
#include "support/watch.hpp"

namespace process_test {

namespace mp = multiprocessing;
using namespace std::chrono_literals;

using test_support::error_of;
using test_support::eventually;
using test_support::every_method;
using test_support::fork_child;
using test_support::gone;
using test_support::patience;
using test_support::state_of;
using test_support::time_of;
using test_support::Watch;

/// The descriptors that this process has open.
inline std::set<int> open_descriptors() {
    std::set<int> found;
    for (const auto& [fd, target] : test_support::descriptors())
        found.insert(fd);
    return found;
}

/// Whether the calling process has a child at all, zombies included, besides a sanitizer's.
inline bool has_children() {
    const std::set<pid_t>& helpers = test_support::helper_processes();
    if (!helpers.empty()) {
        const std::set<pid_t> children = test_support::children();
        return !std::includes(helpers.begin(), helpers.end(), children.begin(), children.end());
    }
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/// A path in the temporary folder that nobody has.
inline std::string free_path() {
    static int count = 0;
    return std::filesystem::temp_directory_path() /
           ("multiprocessing-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
}

/// Appends a line to a file: each call is one write, so lines of several processes stay whole.
inline void note(const std::string& file, const std::string& line) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    const std::string text = line + "\n";
    [[maybe_unused]] const auto n = ::write(fd, text.data(), text.size());
    ::close(fd);
}

/// A file of lines that any process can add to, by its path.
class Notes {
  public:
    Notes() {
        char name[] = "/tmp/multiprocessing-test-XXXXXX";
        ::close(::mkstemp(name));
        path_ = name;
    }
    Notes(const Notes&) = delete;
    Notes& operator=(const Notes&) = delete;
    ~Notes() { ::unlink(path_.c_str()); }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string text() const {
        std::ifstream file(path_);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    [[nodiscard]] std::vector<std::string> lines() const {
        std::ifstream file(path_);
        std::vector<std::string> result;
        for (std::string line; std::getline(file, line);)
            result.push_back(line);
        return result;
    }
    /// Waits for so many lines.
    [[nodiscard]] std::vector<std::string> await(std::size_t count) const {
        (void)eventually([&] { return lines().size() >= count; });
        return lines();
    }
    [[nodiscard]] int number(std::size_t line) const { return std::stoi(await(line + 1).at(line)); }

  private:
    std::string path_;
};

/// Runs the case for the two start methods that differ most.
inline mp::StartMethod fork_or_spawn() {
    return GENERATE(mp::StartMethod::fork, mp::StartMethod::spawn);
}

/// Sends standard error to a file while it lives.
class CapturedErrors {
  public:
    CapturedErrors() : saved_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
        mp::detail::process_server::instance().stop();  // the next one gets the file
        const int fd = ::open(file_.path().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
        ::dup2(fd, STDERR_FILENO);
        ::close(fd);
    }
    CapturedErrors(const CapturedErrors&) = delete;
    CapturedErrors& operator=(const CapturedErrors&) = delete;
    ~CapturedErrors() {
        ::dup2(saved_, STDERR_FILENO);
        ::close(saved_);
        mp::detail::process_server::instance().stop();
    }
    [[nodiscard]] std::string text() const { return file_.text(); }

  private:
    Notes file_;
    int saved_;
};

/// Readable at once?
inline bool readable(int fd, std::chrono::milliseconds limit = 0ms) {
    pollfd entry{fd, POLLIN, 0};
    return ::poll(&entry, 1, static_cast<int>(limit.count())) > 0;
}

inline void sleep_long() {
    std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace process_test
