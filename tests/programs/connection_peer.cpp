// SPDX-License-Identifier: BSL-1.0
// One side of a connection whose other side is a Python program.
//
// connection_peer listen ADDRESS [KEY]: prints the address, accepts one client and returns each of
// its messages turned around, until it closes.
// connection_peer connect ADDRESS [KEY]: sends messages of several lengths to one who does that.
//
// ADDRESS is a path, "@name" of an abstract one, or ":port" of 127.0.0.1. The status is 0, 3 after
// an AuthenticationError, and 1 after anything else.
#include <algorithm>
#include <iostream>
#include <multiprocessing/connection.hpp>
#include <optional>
#include <string>
#include <vector>

namespace mp = multiprocessing;
using Bytes = std::vector<std::byte>;

namespace {

mp::connection::Address address_of(const std::string& text) {
    if (text.front() == ':')
        return {"127.0.0.1", std::stoi(text.substr(1))};
    if (text.front() == '@')
        return std::string(1, '\0') + text.substr(1);
    return text;
}

void serve(const std::string& address, const std::optional<std::string>& key) {
    mp::connection::Listener listener({.address = address_of(address), .authkey = key});
    std::cout << mp::detail::to_text(listener.address()) << std::endl;
    const mp::Connection client = listener.accept();
    try {
        for (;;) {
            Bytes message = client.recv_bytes();
            std::ranges::reverse(message);
            client.send_bytes(message);
        }
    } catch (const mp::EOFError&) {
    }
}

void talk(const std::string& address, const std::optional<std::string>& key) {
    const mp::Connection server = mp::connection::Client(address_of(address), {.authkey = key});
    for (const std::size_t size : {0u, 1u, 4096u, 70'000u, 3'000'000u}) {
        Bytes message(size);
        for (std::size_t i = 0; i < size; ++i)
            message[i] = static_cast<std::byte>(i * 7 + i / 256);
        server.send_bytes(message);
        std::ranges::reverse(message);
        if (server.recv_bytes() != message)
            throw mp::ProcessError("a message of " + std::to_string(size) + " bytes was changed");
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3)
        return 2;
    const std::optional<std::string> key =
        argc > 3 ? std::optional<std::string>(argv[3]) : std::nullopt;
    try {
        (argv[1] == std::string("listen") ? serve : talk)(argv[2], key);
        return 0;
    } catch (const mp::AuthenticationError& error) {
        std::cerr << error.what() << '\n';
        return 3;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
