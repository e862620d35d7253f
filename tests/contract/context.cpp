// SPDX-License-Identifier: BSL-1.0
// The public promise of start methods and contexts, as users write it: it must compile without a
// warning.
#include <multiprocessing.hpp>
#include <string>
#include <vector>

namespace mp = multiprocessing;

void f() {}

int main() {
    mp::set_start_method(mp::StartMethod::spawn);
    [[maybe_unused]] const mp::StartMethod method = mp::get_start_method();
    [[maybe_unused]] const std::vector<mp::StartMethod> methods = mp::get_all_start_methods();
    [[maybe_unused]] const std::string name = to_string(method);

    mp::Process p(f, {}, {.start_method = mp::StartMethod::spawn});
    mp::Pool pool({.processes = 2, .start_method = mp::StartMethod::spawn});

    auto context = mp::get_context(mp::StartMethod::forkserver);
    auto process = context.Process(f, {}, {.name = "x"});
    auto with_options = context.Pool({.processes = 2});
    auto with_number = context.Pool(4);
    auto with_nothing = context.Pool();
    auto bound = context.Pool([](int x) { return x; }, {.processes = 1});
    bound.map({1, 2});
    process.start();

    mp::Queue<int> queue = context.Queue<int>();
    mp::Lock lock = context.Lock();
    queue.put(1);
    lock.acquire();
    auto pair = context.Pipe();
    mp::Value<int> value = context.Value(0, lock);
    mp::Array<int> array = context.Array<int>({1, 2, 3});
    [[maybe_unused]] auto zeros = context.Array<double>(1000);
    return 0;
}
