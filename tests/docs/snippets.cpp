// SPDX-License-Identifier: BSL-1.0
// What the README and the pages in docs/ show and no example contains.
#include <chrono>
#include <iostream>
#include <multiprocessing.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

using Document = std::string;
struct ParseError : std::runtime_error {
    using std::runtime_error::runtime_error;
};
std::string parse(const Document& document);
void use(const std::string& result);
int work(int item);
const bool known = mp::register_exception<ParseError>();

void submit(mp::Pool<>& pool, const Document& document) {
    // clang-format off
auto result = pool.apply_async(parse, {document}, {.timeout = 5s, .retries = 1});
try {
    use(result.get());
} catch (const mp::WorkerLostError& e) {     // it crashed, twice: e.exitcode() is -11 for SIGSEGV
} catch (const mp::TimeoutError&) {          // it ran longer than 5 s; its worker was killed
} catch (const ParseError& e) {              // it threw: the exception crossed over with its own type
}                                            // in each case the pool goes on
       // clang-format on
}

void go_on_after_bad_items(mp::Pool<>& pool, const std::vector<Document>& documents) {
    auto results = pool.imap(parse, documents);
    for (;;) {
        try {
            const auto result = results.next();
            if (!result)
                break;
            use(*result);
        } catch (const ParseError& error) {
            std::cerr << "left out: " << error.what() << '\n';
        } catch (const mp::WorkerLostError& error) {
            std::cerr << "crashed: " << error.exitcode() << '\n';
        }
    }
}

void interrupted(mp::Pool<>& pool, const std::vector<int>& items) {
    // clang-format off
mp::InterruptGuard guard;            // while it lives, Ctrl-C is an exception of whatever call waits
try {
    pool.map(work, items);
} catch (const mp::KeyboardInterrupt&) {
    pool.terminate();
    pool.join();
}
    // clang-format on
}

int square(int x);

// clang-format off
int main() {
    mp::freeze_support();                                  // a spawned child takes over here
    mp::set_start_method(mp::StartMethod::spawn);          // or for one object: {.start_method = ...}
    auto context = mp::get_context(mp::StartMethod::forkserver);
    auto process = context.Process(square, {3});
}
