// expect: T must be a number, an enumeration, or an aggregate, array, pair or tuple of such
// SPDX-License-Identifier: BSL-1.0
// The characters of a string lie in the memory of one process.
#include <string>

#include <multiprocessing/shared/value.hpp>

int main() {
    multiprocessing::Value<std::string> value("text");
}
