// SPDX-License-Identifier: BSL-1.0
// Tasks that crash, hang and throw: each fails its own call and nothing else.
#include <cstdlib>
#include <iostream>
#include <multiprocessing.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

struct Overheated : std::runtime_error {  // declared where every process knows it
    using std::runtime_error::runtime_error;
    explicit Overheated(int t) : std::runtime_error("overheated"), degrees(t) {}
    int degrees = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        archive& degrees;
    }
};
const bool known = mp::register_exception<Overheated>();

int work(int n) {
    if (n == 2)
        std::abort();
    if (n == 4)
        std::this_thread::sleep_for(1h);
    if (n == 6)
        throw Overheated(451);
    return 10 * n;
}

int main() {
    mp::Pool pool(2);
    std::vector<mp::AsyncResult<int>> results;
    for (int n = 1; n <= 7; ++n)
        results.push_back(pool.apply_async(work, {n}, {.timeout = 500ms}));

    for (auto& result : results) {
        try {
            std::cout << result.get() << '\n';
        } catch (const mp::WorkerLostError& error) {
            std::cout << "the worker died of signal " << -error.exitcode() << '\n';
        } catch (const mp::TimeoutError&) {
            std::cout << "it took too long and its worker was replaced\n";
        } catch (const Overheated& error) {
            std::cout << "overheated: " << error.degrees << " degrees\n";
        }
    }
    std::cout << "the pool works on: " << pool.apply(work, {8}) << '\n';
}
