// SPDX-License-Identifier: BSL-1.0
// Lambdas: one without captures can be sent to a worker, it is as good as a function. One with
// captures cannot; bind the values with partial, or let the workers inherit it when they start.
#include <iostream>
#include <multiprocessing.hpp>
#include <vector>

namespace mp = multiprocessing;

int multiply(int factor, int x) {
    return factor * x;
}

void print(const char* what, const std::vector<int>& numbers) {
    std::cout << what << ':';
    for (const int number : numbers)
        std::cout << ' ' << number;
    std::cout << '\n';
}

int main() {
    const std::vector<int> numbers{1, 2, 3};
    int factor = 3;
    auto times = [factor](int x) { return factor * x; };

    mp::Pool pool(2);
    print("sent, without captures", pool.map([](int x) { return x * x; }, numbers));
    print("sent, with partial", pool.map(mp::partial(multiply, 3), numbers));
    // pool.map(times, numbers) does not compile: "this function object cannot be pickled".
    std::cout << "sent, with captures: " << (mp::Picklable<decltype(times)> ? "yes" : "refused")
              << '\n';

    mp::Pool bound(times, {.processes = 2, .start_method = mp::StartMethod::fork});
    print("inherited by the workers", bound.map(numbers));

    mp::Value<int> result(0);
    mp::Process process([factor, result] { result.value() = factor * 7; }, {},
                        {.start_method = mp::StartMethod::fork});
    process.start();
    process.join();
    std::cout << "inherited by a process: " << result.value() << '\n';
}
