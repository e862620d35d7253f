// SPDX-License-Identifier: BSL-1.0
// Drives a fuzz target without libFuzzer: the same few thousand damaged seeds in every run.
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <random>

#include "fuzz.hpp"
#include "support/random.hpp"
#include "support/sanitized.hpp"

namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t bound) {
    return bound == 0 ? 0 : random() % bound;
}

/// Lengths at which something changes.
const std::array<std::string, 8> numbers{
    std::string("\xff\xff\xff\xff", 4),
    std::string("\x7f\xff\xff\xff", 4),
    std::string("\x80\0\0\0", 4),
    std::string("\0\0\0\0", 4),
    std::string("\0\0\1\1", 4),
    std::string("\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 12),
    std::string("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12),
    std::string("\xff\xff\xff\xff\0\0\0\1\0\0\0\0", 12)};

void damage(std::string& input, const std::vector<std::string>& seeds, Random& random) {
    const std::size_t at = below(random, input.size());
    switch (below(random, 7)) {
        case 0:
            if (!input.empty())
                input[at] = static_cast<char>(input[at] ^ (1 << below(random, 8)));
            break;
        case 1:
            if (!input.empty())
                input[at] = static_cast<char>(random());
            break;
        case 2:
            input.resize(at);
            break;
        case 3:
            input.erase(at, 1 + below(random, 8));
            break;
        case 4:
            input.insert(at, 1 + below(random, 300), static_cast<char>(random()));
            break;
        case 5: {
            const std::string& number = numbers[below(random, numbers.size())];
            input.replace(at, std::min(number.size(), input.size() - at), number);
            break;
        }
        default:
            input += seeds[below(random, seeds.size())];
    }
    input.resize(std::min(input.size(), fuzz::longest_input));
}

void run(const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

int main() {
    if (!test_support::sanitized) {
        // whoever believes a forged length does not get the memory
        const rlimit little{256u << 20, 256u << 20};
        ::setrlimit(RLIMIT_AS, &little);
    }
    const int count = test_support::scaled(5000);
    const std::vector<std::string> seeds = fuzz::seeds();
    for (const std::string& seed : seeds)
        run(seed);
    Random random(1);
    for (int i = 0; i < count; ++i) {
        std::string input = seeds[below(random, seeds.size())];
        for (std::size_t times = 1 + below(random, 4); times > 0; --times)
            damage(input, seeds, random);
        run(input);
    }
    std::printf("%zu seeds, %d damaged ones\n", seeds.size(), count);
}
