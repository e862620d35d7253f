// SPDX-License-Identifier: BSL-1.0
// Any bytes instead of messages: what is a message arrives, the rest is an exception.
#include <array>
#include <optional>
#include <system_error>

#include "fuzz.hpp"

using namespace fuzz;

namespace {

std::uint64_t number(std::string_view bytes) {
    std::uint64_t result = 0;
    for (const char byte : bytes)
        result = result * 256 + static_cast<unsigned char>(byte);
    return result;
}

/// The next message, taken from the bytes; nothing when they do not begin with a whole one.
std::optional<std::string_view> take_message(std::string_view& bytes) {
    if (bytes.size() < 4)
        return std::nullopt;
    std::size_t head = 4;
    std::uint64_t length = number(bytes.substr(0, 4));
    if (length == 0xffffffff && bytes.size() >= 12) {
        head = 12;
        length = number(bytes.substr(4, 8));
    }
    if (length > bytes.size() - head)
        return std::nullopt;
    const std::string_view message = bytes.substr(head, length);
    bytes.remove_prefix(head + length);
    return message;
}

/// Receives until that fails, which it must do where the whole messages end.
template <class Receive>
void expect(std::string_view input, Receive receive) {
    const Fed fed(input);
    try {
        for (;;) {
            const auto message = take_message(input);
            receive(fed.connection, message);
            require(message.has_value(), "something arrived that was not sent");
        }
    } catch (const mp::EOFError&) {
        require(!take_message(input), "the end came too early");
    } catch (const mp::ValueError&) {
    } catch (const std::system_error& error) {
        require(error.code().value() == EMSGSIZE, error.what());
    }
}

void whole(const mp::Connection& connection, std::optional<std::string_view> expected) {
    const auto bytes = connection.recv_bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    require(expected == text, "a message was changed");
}
void limited(const mp::Connection& connection, std::optional<std::string_view>) {
    require(connection.recv_bytes(64).size() <= 64, "a message was longer than maxlength");
}
void into(const mp::Connection& connection, std::optional<std::string_view> expected) {
    std::array<std::byte, 32> buffer{};
    try {
        const std::size_t size = connection.recv_bytes_into(buffer);
        require(expected && expected->size() == size && size <= 32, "a message was changed");
    } catch (const mp::BufferTooShort& error) {
        require(expected && expected->size() == error.message()->size(), "a message was changed");
    }
}
void typed(const mp::Connection& connection, std::optional<std::string_view>) {
    try {
        (void)connection.recv<std::vector<std::pair<std::string, double>>>();
    } catch (const mp::UnpicklingError&) {
    }
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
    using Pairs = std::vector<std::pair<std::string, double>>;
    const auto value = mp::dumps(Pairs{{"one", 1.0}, {"two", 2.0}});
    const std::string bytes(reinterpret_cast<const char*>(value.data()), value.size());
    const std::string long_form = std::string("\xff\xff\xff\xff\0\0\0\0\0\0\0\5", 12) + "right";
    return {framed("") + framed("message") + framed(std::string(100, 'x')), framed(bytes),
            framed(bytes) + framed(bytes), long_form + framed("after it"),
            std::string("\x7f\xff\xff\xff", 4) + "far too short"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data),
                                 std::min(size, longest_input));
    expect(input, whole);
    expect(input, limited);
    expect(input, into);
    expect(input, typed);
    return 0;
}
