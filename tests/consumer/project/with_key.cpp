// SPDX-License-Identifier: BSL-1.0
// A program that needs OpenSSL where it was found, and says so where not.
#include <iostream>
#include <multiprocessing/connection.hpp>
namespace mp = multiprocessing;

int main() {
    try {
        const mp::connection::Listener listener({.authkey = "secret"});
        std::cout << "keys\n";
    } catch (const mp::ProcessError& error) {
        std::cout << error.what() << '\n';
    }
    return mp::os::has_hmac ? mp::os::hmac("sha256", "key", "text")->size() != 32 : 0;
}
