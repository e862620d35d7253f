// SPDX-License-Identifier: BSL-1.0
// Google Benchmark with the options and the lines of all other programs.
#pragma once

#include <benchmark/benchmark.h>

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "../support/measure.hpp"

namespace benchmark {

/// Prints "name value unit" for each measurement.
class LineReporter : public BenchmarkReporter {
  public:
    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            require(!run.error_occurred, run.error_message);
            report(run.run_name.function_name, run.GetAdjustedRealTime(), "ns");
        }
    }
};

/// The measurements of one program.
class Micro {
  public:
    Micro(int argc, char** argv) : options_(argc, argv) {}

    /// `work()` is one iteration.
    template <class Work>
    void add(const std::string& name, Work work) const {
        add_loop(name, [work](State& state) mutable {
            for ([[maybe_unused]] auto _ : state)
                work();
        });
    }
    /// `work()` returns how many seconds its iteration took: another process does a part of it.
    /// `make_work()` makes it before the first one.
    template <class MakeWork>
    void add_timed(const std::string& name, MakeWork make_work) const {
        auto* registered = add_loop(name, [make_work](State& state) {
            auto work = make_work();
            for ([[maybe_unused]] auto _ : state)
                state.SetIterationTime(work());
        });
        if (registered != nullptr)
            registered->UseManualTime();
    }

    /// Measures what was added.
    void run() const {
        std::string program = "micro";
        std::string time = options_.quick() ? "--benchmark_min_time=0.0002"  //
                                            : "--benchmark_min_time=0.03";
        char* arguments[] = {program.data(), time.data(), nullptr};
        int count = static_cast<int>(std::size(arguments)) - 1;
        Initialize(&count, arguments);
        LineReporter reporter;
        RunSpecifiedBenchmarks(&reporter);
        Shutdown();
    }

  private:
    template <class Loop>
    internal::Benchmark* add_loop(const std::string& name, Loop loop) const {
        return options_.wants(name) ? RegisterBenchmark(name.c_str(), std::move(loop)) : nullptr;
    }

    Options options_;
};

}  // namespace benchmark
