// SPDX-License-Identifier: BSL-1.0
// A library that rank 0 loads and the others do not.
extern "C" int stranger(int x) {
    return x;
}
