// SPDX-License-Identifier: BSL-1.0
// The public promise of Pool, as users write it: it must compile without a warning.
#include <chrono>
#include <exception>
#include <multiprocessing.hpp>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

int square(int x);
int power(int base, int exponent);
void init_worker();

struct Input {
    double x;
    std::string s;
};
struct Model {
    int k;
    double predict(const Input& input) const { return input.x * k; }
};

void constructors() {
    mp::Pool pool;
    mp::Pool four(4);
    mp::Pool<> options({.processes = 4, .initializer = init_worker, .maxtasksperchild = 100});
}

void calls(mp::Pool<>& pool, const std::vector<int>& numbers,
           const std::vector<std::pair<int, int>>& pairs) {
    [[maybe_unused]] std::vector<int> v = pool.map(square, numbers);
    pool.map(square, {1, 2, 3}, {.chunksize = 1});
    pool.starmap(power, {{2, 10}, {3, 2}});
    pool.starmap(power, pairs);
    [[maybe_unused]] int r = pool.apply(power, {2, 10});
    pool.close();
    pool.join();
    pool.terminate();
}

void asynchronous_calls(mp::Pool<>& pool, const std::vector<int>& numbers,
                        const std::vector<std::pair<int, int>>& pairs) {
    mp::AsyncResult<int> a = pool.apply_async(
        power, {2, 10},
        {.callback = [](const int&) {}, .error_callback = [](std::exception_ptr) {}});
    mp::AsyncResult<std::vector<int>> m = pool.map_async(
        square, numbers, {.chunksize = 8, .callback = [](const std::vector<int>&) {}});
    auto s = pool.starmap_async(power, pairs);
    auto b = pool.apply_async(square, {1}, {.timeout = 5s, .retries = 2});
    b.cancel();
    pool.map(square, numbers, {.chunksize = 2, .timeout = 2.5s, .retries = 2});
}

void lazy_calls(mp::Pool<>& pool) {
    auto lazy = std::views::iota(0, 9) | std::views::transform([](int x) { return x; });
    for (int result : pool.imap(square, std::views::iota(0))) {  // endless input is fine
        if (result > 100)
            break;
    }
    for (auto& result : pool.imap_unordered(square, lazy, {.chunksize = 16, .buffersize = 256}))
        (void)result;
    auto results = pool.imap(square, lazy);
    [[maybe_unused]] std::optional<int> next = results.next();
}

void bound_function(const std::vector<Input>& inputs, const Input& input) {
    Model model{3};
    mp::Pool bound([model](const Input& x) { return model.predict(x); }, {.processes = 4});
    bound.map(inputs);
    bound.imap(inputs);
    bound.apply({input});
    bound.apply_async({input});
}

void threads() {
    mp::ThreadPool pool(4);
    int k = 1;
    pool.map([&k](int x) { return k + x; }, {1, 2});
}

struct MyError : std::runtime_error {
    int code = 0;
    using std::runtime_error::runtime_error;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& code;
    }
};
const bool known = mp::register_exception<MyError>();

void errors(mp::AsyncResult<int>& result) {
    try {
        result.get(5s);
    } catch (const mp::RemoteException& error) {
        (void)error.type_name();
        (void)error.pid();
        (void)error.process_name();
        (void)error.what();
    } catch (const mp::WorkerLostError& error) {
        (void)error.pid();
        (void)error.exitcode();
    } catch (const mp::CancelledError&) {
    }
}
