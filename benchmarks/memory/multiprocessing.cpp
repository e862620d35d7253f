// SPDX-License-Identifier: BSL-1.0
// The memory of a pool's workers, and of all processes while imap works through long input.
#include <algorithm>
#include <multiprocessing/pool.hpp>
#include <ranges>

#include "workload.hpp"

namespace mp = multiprocessing;
using namespace benchmark;

namespace {

int no_op(int x) {
    return x;
}

double family_with(mp::StartMethod method, int workers) {
    mp::Pool<> pool({.processes = workers, .start_method = method});
    const auto results = pool.map(no_op, std::views::iota(0, 1000 * workers));
    require(results.back() == 1000 * workers - 1, "map");
    return family_memory();
}

/// All in MiB, except for the time of an item.
struct Imap {
    double most;         ///< at any moment
    double growth;       ///< since before the first item
    double late_growth;  ///< since the first hundredth of the items was done
    double nanoseconds;
};

Imap imap(int workers, int count) {
    mp::Pool<> pool(workers);
    pool.map(no_op, std::views::iota(0, 10000));
    const double before = family_memory();
    double settled = before;
    double most = before;
    int next = 0;
    const double time = seconds([&] {
        for (int result : pool.imap(no_op, std::views::iota(0, count))) {
            require(result == next++, "imap");
            if (next == count / 100)
                settled = family_memory();
            if (next % (count / 50) == 0)
                most = std::max(most, family_memory());
        }
    });
    require(next == count, "imap");
    return {most, most - before, most - settled, time * 1e9 / count};
}

}  // namespace

int main(int argc, char** argv) {
    mp::freeze_support();
    const Options options(argc, argv);
    for (const mp::StartMethod method :
         {mp::StartMethod::fork, mp::StartMethod::spawn, mp::StartMethod::forkserver}) {
        const std::string name = "worker_" + mp::to_string(method);
        if (options.wants(name)) {
            report(name,
                   memory_of_a_worker(options,
                                      [=](int workers) { return family_with(method, workers); }),
                   "MiB");
        }
    }
    const int longest = options.size(10000000, 10000);
    if (options.wants("imap_memory@")) {
        for (int count = 10000; count < longest; count *= 10)
            report_at("imap_memory", count, imap(options.workers(), count).growth, "MiB");
    }
    if (options.wants("imap_memory@") || options.wants("imap_memory_growth")) {
        const Imap all = imap(options.workers(), longest);
        report_at("imap_memory", longest, all.growth, "MiB");
        report("imap_memory_growth", all.late_growth, "MiB");
        report("imap_memory", all.most, "MiB");
        report("imap_endless", all.nanoseconds, "ns");
    }
}
