#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long programs that use the library compile, whole and in parts."""

import compiling

MAP = """#include <{header}>
#include <vector>

int square(int x) {{
    return x * x;
}}

int main() {{
    multiprocessing::Pool pool(2);
    return pool.map(square, std::vector<int>{{1, 2, 3}}).back() == 9 ? 0 : 1;
}}
"""

PROCESS = """#include <multiprocessing/process.hpp>

int square(int x) {
    return x * x;
}

int main() {
    multiprocessing::Process process(square, {3});
    process.start();
    process.join();
    return process.exitcode().value_or(1);
}
"""

QUEUES = """#include <multiprocessing/queues.hpp>
#include <string>

int main() {
    const multiprocessing::Queue<std::string> queue;
    queue.put("text");
    return queue.get() == "text" ? 0 : 1;
}
"""

SERIALIZATION = """#include <multiprocessing/serialization.hpp>
#include <vector>

int main() {
    const std::vector<int> numbers{1, 2, 3};
    const auto bytes = multiprocessing::dumps(numbers);
    return multiprocessing::loads<std::vector<int>>(bytes) == numbers ? 0 : 1;
}
"""

if __name__ == "__main__":
    compiling.run(
        {
            "pool": MAP.format(header="multiprocessing/pool.hpp"),
            "all": MAP.format(header="multiprocessing.hpp"),
            "process": PROCESS,
            "queues": QUEUES,
            "serialization": SERIALIZATION,
        },
        ["-lboost_serialization", "-lcrypto"],
    )
