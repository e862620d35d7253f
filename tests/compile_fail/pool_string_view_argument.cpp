// expect: an argument of this type cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A view does not own the text it shows.
#include <multiprocessing/pool.hpp>
#include <string_view>

int length(std::string_view text) {
    return static_cast<int>(text.size());
}

int main() {
    multiprocessing::Pool pool(1);
    return pool.apply(length, {"text"});
}
