#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long a program compiles that only includes <iostream> and <vector>."""

import compiling

EMPTY = """#include <iostream>
#include <vector>

int main() {}
"""

if __name__ == "__main__":
    compiling.run({"pool": EMPTY})
