// SPDX-License-Identifier: BSL-1.0
// Ten processes edit one dictionary and one list that live in a manager's server. A single call is
// atomic; a change that reads and writes is sent to the server as a function, so none is lost.
#include <multiprocessing.hpp>

#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace mp = multiprocessing;

using Shelf = mp::ListProxy<int>;  // the numbers of the orders, in a list of its own

void sell(int number, mp::DictProxy<std::string, int> stock, mp::ListProxy<int> sold,
          mp::DictProxy<std::string, Shelf> orders) {
    const std::string item = number % 2 == 0 ? "apples" : "pears";
    for (int i = 0; i < 100; ++i)
        stock.update(item, [](int& left) { --left; });
    sold.append(number);
    orders[item]->append(number);  // edits the list inside the dictionary, not a copy of it
}

int main() {
    mp::freeze_support();
    mp::Manager manager;
    const auto stock = manager.dict<std::string, int>({{"apples", 1000}, {"pears", 600}});
    const auto sold = manager.list<int>();
    const auto orders = manager.dict<std::string, Shelf>(
        {{"apples", manager.list<int>()}, {"pears", manager.list<int>()}});

    std::vector<mp::Process> sellers;
    for (int number = 0; number < 10; ++number)
        sellers.emplace_back(sell, std::tuple(number, stock, sold, orders));
    for (auto& seller : sellers)
        seller.start();
    for (auto& seller : sellers)
        seller.join();

    for (const auto& [item, left] : stock.copy())
        std::cout << left << ' ' << item << " are left\n";
    sold.sort();
    std::cout << "sold by";
    for (const int number : sold)
        std::cout << ' ' << number;
    std::cout << "\norders of pears: " << orders["pears"]->size() << '\n';
}
