// SPDX-License-Identifier: BSL-1.0
// What every benchmark program needs: a clock, checked answers, options, and lines of
// "name value unit" or "name@x value unit".
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace benchmark {

using Clock = std::chrono::steady_clock;

/// The seconds that `work()` takes.
template <class Work>
double seconds(Work&& work) {
    const auto start = Clock::now();
    std::forward<Work>(work)();
    return std::chrono::duration<double>(Clock::now() - start).count();
}

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// The median of `times` runs of `sample()`, which returns what it measured.
template <class Sample>
double median_of(int times, Sample&& sample) {
    std::vector<double> values;
    for (int i = 0; i < times; ++i)
        values.push_back(sample());
    return median(std::move(values));
}

/// A figure that comes from a wrong answer is worth nothing: ends the program.
inline void require(bool condition, std::string_view what) {
    if (condition)
        return;
    std::fprintf(stderr, "wrong answer: %.*s\n", static_cast<int>(what.size()), what.data());
    std::exit(EXIT_FAILURE);
}

/// Prints one figure: what was measured, in which unit (`ns`, `us`, `ms`, `s`, `MiB`, ...).
inline void report(const std::string& name, double value, const char* unit) {
    std::printf("%s %.6g %s\n", name.c_str(), value, unit);
    std::fflush(stdout);
}
/// Prints one point of a curve: the figure at `x`, say a size in bytes or a number of items.
inline void report_at(const std::string& name, double x, double value, const char* unit) {
    std::printf("%s@%.12g %.6g %s\n", name.c_str(), x, value, unit);
    std::fflush(stdout);
}
/// Prints the latencies of which 50, 90, 99, 99.9 and 100 % are not longer, at these percentages.
/// @param latencies in the unit given, in any order
inline void report_percentiles(const std::string& name, std::vector<double> latencies,
                               const char* unit) {
    std::sort(latencies.begin(), latencies.end());
    for (const double percentage : {50.0, 90.0, 99.0, 99.9, 100.0}) {
        const auto rank = static_cast<std::size_t>(
            percentage / 100 * static_cast<double>(latencies.size() - 1) + 0.5);
        report_at(name, percentage, latencies[rank], unit);
    }
}

/// The options of every program: `--quick` for a run that only shows that it works, `--workers N`,
/// and the names of the measurements wanted (all where none is named).
class Options {
  public:
    Options(int argc, char** argv) {
        for (int i = 1; i < argc; ++i) {
            const std::string_view argument = argv[i];
            if (argument == "--quick")
                quick_ = true;
            else if (argument == "--workers" && i + 1 < argc)
                workers_ = std::atoi(argv[++i]);
            else
                wanted_.emplace_back(argument);
        }
        if (workers_ < 1) {
            std::fprintf(stderr, "--workers wants a number of at least 1\n");
            std::exit(EXIT_FAILURE);
        }
    }

    [[nodiscard]] bool quick() const { return quick_; }
    /// How many processes or threads do the work.
    [[nodiscard]] int workers() const { return workers_; }

    template <class T>
    T size(T full, T quick) const {
        return quick_ ? quick : full;
    }

    bool wants(std::string_view name) const {
        return wanted_.empty() || std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end();
    }

  private:
    bool quick_ = false;
    int workers_ = 2;
    std::vector<std::string> wanted_;
};

}  // namespace benchmark
