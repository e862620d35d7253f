// SPDX-License-Identifier: BSL-1.0
// Talks to a process through a pipe: values, bytes, several pipes at once, and the end.
#include <iostream>
#include <multiprocessing.hpp>
#include <string>
#include <vector>

namespace mp = multiprocessing;

struct Order {
    std::string item;
    int count, price;
};

void cashier(mp::Connection shop) {
    try {
        for (;;) {
            const auto order = shop.recv<Order>();
            shop.send(order.item + ": " + std::to_string(order.count * order.price));
        }
    } catch (const mp::EOFError&) {
        // the shop has closed its end: time to go home
    }
}

void helper(mp::Connection boss, int number) {
    boss.send(number * number);
}

int main() {
    mp::freeze_support();

    auto [here, there] = mp::Pipe();
    mp::Process process(cashier, {there}, {.start_method = mp::StartMethod::spawn});
    process.start();
    there.close();  // it is the child's now: only so does either side see the other one's end
    here.send(Order{"apples", 3, 2});
    here.send(Order{"bread", 1, 3});
    std::cout << here.recv<std::string>() << '\n' << here.recv<std::string>() << '\n';
    here.close();
    process.join();
    std::cout << "the cashier went home with exit code " << *process.exitcode() << '\n';

    // Several at once: wait() says which of them have something to receive.
    std::vector<mp::Process> helpers;
    std::vector<mp::Connection> readers;
    for (int number = 1; number <= 4; ++number) {
        auto [reader, writer] = mp::Pipe(false);  // one way
        helpers.emplace_back(helper, mp::arguments<mp::Connection, int>{writer, number});
        helpers.back().start();
        readers.push_back(reader);
    }
    int sum = 0;
    while (!readers.empty())
        for (const mp::Connection& ready : mp::connection::wait(readers)) {
            sum += ready.recv<int>();
            std::erase(readers, ready);
        }
    std::cout << "1 + 4 + 9 + 16 = " << sum << '\n';
}
