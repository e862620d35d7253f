// SPDX-License-Identifier: BSL-1.0
// The interface of section 4: Pool, AsyncResult, the imap ranges, ThreadPool.
#include <chrono>
#include <exception>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <multiprocessing.hpp>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

int square(int x);
int power(int base, int exponent);
void forget(int x);
void init_worker();

struct Input {
    double x;
    std::string s;
};
struct Model {
    int k;
    [[nodiscard]] double predict(const Input& i) const { return i.x * k; }
};
struct MyError : std::runtime_error {
    int code = 0;
    using std::runtime_error::runtime_error;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& code;
    }
};
const bool known = mp::register_exception<MyError>();

struct Holder {
    mp::Pool<> pool;
};
int use(mp::Pool<>& pool) {
    return pool.apply(square, {2});
}

void constructors() {
    mp::Pool all;
    mp::Pool four(4);
    mp::Pool as_threads(std::thread::hardware_concurrency());
    mp::Pool<> options({.processes = 4, .initializer = init_worker, .maxtasksperchild = 100});
    use(as_threads);
}

void calls(mp::Pool<>& pool) {
    const std::vector<int> numbers{1, 2, 3};
    const std::vector<std::pair<int, int>> pairs{{1, 2}};
    const std::vector<int> v = pool.map(square, numbers);
    pool.map(square, {1, 2, 3}, {.chunksize = 1});
    pool.map(forget, numbers);
    pool.starmap(power, {{2, 10}, {3, 2}});
    pool.starmap(power, pairs);
    [[maybe_unused]] int r = pool.apply(power, {2, 10});
    mp::AsyncResult<int> a = pool.apply_async(
        power, {2, 10},
        {.callback = [](const int&) {}, .error_callback = [](std::exception_ptr) {}});
    mp::AsyncResult<std::vector<int>> m = pool.map_async(
        square, numbers, {.chunksize = 8, .callback = [](const std::vector<int>&) {}});
    auto s = pool.starmap_async(power, pairs);
    a.wait();
    [[maybe_unused]] const bool in_time = a.wait(250ms);
    [[maybe_unused]] const int& referred = a.get();
    [[maybe_unused]] std::vector<int> taken = std::move(m).get();
    [[maybe_unused]] const bool fine = s.ready() && s.successful();

    pool.apply_async(square, {1}, {.timeout = 5s, .retries = 2}).cancel();
    pool.map(square, numbers, {.chunksize = 2, .timeout = 2.5s, .retries = 2});
}

void iterations(mp::Pool<>& pool) {
    auto lazy = std::views::iota(0, 9) | std::views::transform([](int x) { return x; });
    for (int r : pool.imap(square, std::views::iota(0)))
        if (r > 100)
            break;
    for (auto& r : pool.imap_unordered(square, lazy, {.chunksize = 16, .buffersize = 256}))
        static_cast<void>(r);
    auto it = pool.imap(square, lazy);
    [[maybe_unused]] std::optional<int> x = it.next();
    [[maybe_unused]] std::optional<int> y = it.next(1s);
}

void bound() {
    const Model model{3};
    mp::Pool pool([model](const Input& x) { return model.predict(x); }, {.processes = 4});
    const std::vector<Input> inputs;
    const Input input{1, "a"};
    pool.map(inputs);
    pool.imap(inputs);
    pool.apply({input});
    pool.apply_async({input});
    pool.close();
    pool.join();
    pool.terminate();
}

void threads() {
    mp::ThreadPool pool(4);
    int k = 1;
    pool.map([&k](int x) { return k + x; }, {1, 2});
}

void errors(const mp::AsyncResult<int>& result) {
    try {
        [[maybe_unused]] const int value = result.get(5s);
    } catch (const mp::RemoteException& e) {
        static_cast<void>(e.type_name() + e.process_name() + e.what());
        static_cast<void>(e.pid());
    } catch (const mp::WorkerLostError& e) {
        static_cast<void>(e.pid() + e.exitcode());
    } catch (const mp::CancelledError&) {
    } catch (const mp::TimeoutError&) {
    }
}
