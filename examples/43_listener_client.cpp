// SPDX-License-Identifier: BSL-1.0
// Two programs that know an address and a key talk to each other; here they are two processes.
//
// The other one may be Python: multiprocessing.connection.Client(address, authkey=b"secret"), with
// send_bytes() and recv_bytes().
#include <iostream>
#include <multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;
using mp::connection::Address;
using mp::connection::Client;
using mp::connection::Listener;

void visitor(Address address, std::string key, std::string name) {
    try {
        const mp::Connection server = Client(address, {.authkey = key});
        server.send(name);
        std::cout << server.recv<std::string>() << '\n';
    } catch (const mp::AuthenticationError&) {
        std::cout << name << " was not let in\n";
    }
}

/// Returns whether the next visitor knew the key.
bool serve(Listener& listener) {
    try {
        const mp::Connection client = listener.accept();
        client.send("Welcome, " + client.recv<std::string>());
        return true;
    } catch (const mp::AuthenticationError&) {
        return false;  // nothing that this visitor sent was looked at
    }
}

int main() {
    mp::freeze_support();

    // Or a path, "/run/app.sock"; port 0: one that is free.
    Listener listener({.address = {"127.0.0.1", 0}, .authkey = "secret"});

    mp::Process ada(visitor, {listener.address(), "secret", "Ada"});
    ada.start();
    serve(listener);
    ada.join();

    mp::Process eve(visitor, {listener.address(), "guess", "Eve"});
    eve.start();
    const bool welcome = serve(listener);
    eve.join();
    std::cout << "the second visitor knew the key: " << (welcome ? "yes" : "no") << '\n';
}
