// SPDX-License-Identifier: BSL-1.0
// Any bytes instead of a handshake: nobody is let in, and no other exception comes out.
#include <algorithm>

#include "fuzz.hpp"

using namespace fuzz;

namespace {
constexpr std::string_view challenge = "#CHALLENGE#";
const std::string welcome = framed("#WELCOME#");
}  // namespace

std::vector<std::string> fuzz::seeds() {
    std::vector<std::string> found{framed(std::string(16, 'm')) + welcome, welcome,
                                   framed(std::string(challenge) + std::string(20, 'r')) + welcome};
    for (const char* name : {"md5", "sha256", "sha384", "sha3_256", "sha3_384", "sha1"}) {
        const std::string mark = std::string("{") + name + "}";
        found.push_back(framed(mark + std::string(32, 'd')) + welcome);
        found.push_back(framed(std::string(challenge) + mark + std::string(40, 'r')) + welcome);
    }
    return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data),
                                 std::min(size, longest_input));
    try {
        mp::connection::deliver_challenge(Fed(input).connection, "key");
        require(false, "one who does not know the key was let in");
    } catch (const mp::AuthenticationError&) {
    }
    try {
        // who asks and then says welcome is believed: it is our answer that it judges
        mp::connection::answer_challenge(Fed(input).connection, "key");
        require(input.find(welcome) != input.npos, "nobody said welcome");
    } catch (const mp::AuthenticationError&) {
    }
    return 0;
}
