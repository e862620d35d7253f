// expect: an argument of this type cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A view points to memory that the taker does not have.
#include <multiprocessing/queues.hpp>
#include <string_view>

int main() {
    const multiprocessing::Queue<std::string_view> queue(3);
    queue.put("text");
    return static_cast<int>(queue.get().size());
}
