// SPDX-License-Identifier: BSL-1.0
// Why a Lock is needed: first the race, then the cure. A Barrier makes both processes meet in the
// middle of the work, so that what otherwise happens once in a while happens each time.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <multiprocessing.hpp>
#include <mutex>
#include <string>

namespace mp = multiprocessing;

void careless(const std::string& log_file, mp::RawValue<int> counter, mp::Barrier middle) {
    const int seen = counter.value();
    std::ofstream log(log_file, std::ios::app);
    log << "one " << std::flush;
    middle.wait();
    counter.value() = seen + 1;  // and what the other one adds is lost
    log << "line" << std::endl;
}

void careful(const std::string& log_file, mp::RawValue<int> counter, mp::Lock lock) {
    for (int i = 0; i < 100; ++i) {
        std::scoped_lock guard(lock);
        counter.value() += 1;
        std::ofstream log(log_file, std::ios::app);
        log << "one " << std::flush;
        log << "line" << std::endl;
    }
}

/// Runs f in two processes at once and prints what they have made.
template <class F, class Tool>
void twice(const char* what, F f, Tool tool) {
    const std::string log_file = std::filesystem::temp_directory_path() /
                                 ("lock-" + std::to_string(*mp::current_process().pid()));
    mp::RawValue<int> counter(0);
    mp::Process first(f, {log_file, counter, tool}), second(f, {log_file, counter, tool});
    first.start();
    second.start();
    first.join();
    second.join();
    int whole = 0, lines = 0;
    std::ifstream log(log_file);
    for (std::string line; std::getline(log, line); ++lines)
        whole += line == "one line" ? 1 : 0;
    std::filesystem::remove(log_file);
    std::cout << what << ": counted " << counter.value() << ", " << whole << " of " << lines
              << " lines are whole\n";
}

int main() {
    twice("without a lock", careless, mp::Barrier(2));
    twice("with a lock", careful, mp::Lock());
}
