// SPDX-License-Identifier: BSL-1.0
// What every benchmark program needs: a clock, checked answers, and lines of "name value unit".
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

inline void report(const std::string& name, double value, const char* unit) {
    std::printf("%s %.6g %s\n", name.c_str(), value, unit);
    std::fflush(stdout);
}

/// The options of every program: `--quick` for a run that only shows that it works, and the names
/// of the measurements wanted (all where none is named).
class Options {
  public:
    Options(int argc, char** argv) {
        for (int i = 1; i < argc; ++i) {
            if (std::string_view(argv[i]) == "--quick")
                quick_ = true;
            else
                wanted_.emplace_back(argv[i]);
        }
    }

    template <class T>
    T size(T full, T quick) const {
        return quick_ ? quick : full;
    }

    bool wants(std::string_view name) const {
        return wanted_.empty() || std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end();
    }

  private:
    bool quick_ = false;
    std::vector<std::string> wanted_;
};

}  // namespace benchmark
