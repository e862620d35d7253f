// expect: this type cannot be a key, because the server compares bytes
// SPDX-License-Identifier: BSL-1.0
// A key with padding has bytes that no two equal keys need to share.
#include <multiprocessing/managers.hpp>
#include <utility>

int main() {
    const multiprocessing::DictProxy<std::pair<char, int>, int> dict;
    return dict.get({'a', 1});
}
