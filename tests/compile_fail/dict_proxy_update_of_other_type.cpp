// expect: update() calls the function with a reference to what it is to change
// SPDX-License-Identifier: BSL-1.0
// The function that update() sends must take what the dictionary holds.
#include <multiprocessing/managers.hpp>
#include <string>

int main() {
    const multiprocessing::DictProxy<int, int> dict;
    dict.update(1, [](std::string& text) { text += "x"; });
}
