#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long a program compiles that maps three numbers in boost::asio::thread_pool."""

import compiling

POOL = """#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <future>
#include <memory>
#include <vector>

int square(int x) {
    return x * x;
}

int main() {
    boost::asio::thread_pool pool(2);
    std::vector<std::future<int>> results;
    for (int x : {1, 2, 3}) {
        auto task = std::make_shared<std::packaged_task<int()>>([x] { return square(x); });
        results.push_back(task->get_future());
        boost::asio::post(pool, [task] { (*task)(); });
    }
    return results.back().get() == 9 ? 0 : 1;
}
"""

if __name__ == "__main__":
    compiling.run({"pool": POOL})
