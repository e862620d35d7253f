// SPDX-License-Identifier: BSL-1.0
// The handshake: right keys, wrong keys, no keys, silence, forged and damaged messages.
#include <atomic>
#include <optional>

#include "connection/connection_tools.hpp"

using namespace connection_test;
using namespace std::string_literals;
using Catch::Matchers::Contains;

namespace {

std::string hex(std::string_view text) {
    std::string result;
    for (const char c : text) {
        constexpr auto digits = "0123456789abcdef";
        result += digits[static_cast<unsigned char>(c) >> 4];
        result += digits[static_cast<unsigned char>(c) & 15];
    }
    return result;
}

/// What Client throws or does when the listener's key is another one; the listener's side.
struct Meeting {
    bool server_refused = false;
    bool client_refused = false;
};
Meeting meet(const std::optional<std::string>& listeners,
             const std::optional<std::string>& clients) {
    connection::Listener listener({.authkey = listeners, .handshake_timeout = 10s});
    Meeting result;
    std::thread server([&] {
        try {
            const Connection connection = listener.accept();
            connection.send(7);
        } catch (const mp::AuthenticationError&) {
            result.server_refused = true;
        }
    });
    try {
        const Connection connection =
            connection::Client(listener.address(), {.authkey = clients, .handshake_timeout = 10s});
        const int received = connection.recv<int>();
        CHECK(received == 7);
    } catch (const mp::AuthenticationError&) {
        result.client_refused = true;
    } catch (const mp::UnpicklingError&) {
        result.client_refused = true;  // without a key it takes the challenge for a message
    }
    server.join();
    return result;
}

struct Reached {
    static inline std::atomic<int> count{0};
    template <class Archive>
    void serialize(Archive&, unsigned) {
        ++count;
    }
};

std::string frame(const std::string& text) {
    return text_of(mp::detail::frame_header(text.size()).bytes()) + text;
}

}  // namespace

TEST_CASE("Digests are those of the standards", "[authentication]") {
    // RFC 2202 and RFC 4231, second test of each
    const auto digest = [](const char* name) {
        return hex(mp::os::hmac(name, "Jefe", "what do ya want for nothing?").value());
    };
    CHECK(digest("md5") == "750c783e6ab0b503eaa86e310a5db738");
    CHECK(digest("sha256") == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(digest("sha384") ==
          "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e224"
          "0ca5e69e2c78b3239ecfab21649");
    CHECK(digest("sha3_256") == "c7d4072e788877ae3596bbb0da73b887c9171f93095b294ae857fbe2645e1ba5");
    CHECK_FALSE(mp::os::hmac("sha1", "k", "m"));
    CHECK(mp::os::hmac("sha256", "", "m") != mp::os::hmac("sha256", "k", "m"));
    CHECK(mp::os::hmac("sha256", "", "m") == mp::os::hmac("sha256", "", "m"));
    CHECK(mp::os::equal_secrets("abc", "abc"));
    CHECK_FALSE(mp::os::equal_secrets("abc", "abd"));
    CHECK_FALSE(mp::os::equal_secrets("abc", "ab"));
}

TEST_CASE("The same key opens, any other one does not", "[authentication]") {
    const std::string binary("\0\xff key\n\0", 8);
    for (const std::string& key : {"secret"s, ""s, binary, std::string(1000, 'k')}) {
        const Meeting same = meet(key, key);
        CHECK_FALSE(same.server_refused);
        CHECK_FALSE(same.client_refused);
        const Meeting other = meet(key, key + "x");
        CHECK(other.server_refused);
        CHECK(other.client_refused);
    }
    const Meeting keyless_client = meet("secret", std::nullopt);
    CHECK(keyless_client.server_refused);
    CHECK(keyless_client.client_refused);
}

TEST_CASE("A Client with a key refuses a Listener without one", "[authentication]") {
    const Meeting meeting = meet(std::nullopt, "secret");
    CHECK_FALSE(meeting.server_refused);
    CHECK(meeting.client_refused);
}

TEST_CASE("After a failed handshake the Listener serves the next client", "[authentication]") {
    connection::Listener listener({.authkey = "right"});
    bool refused = false;
    std::thread clients([&] {
        try {
            connection::Client(listener.address(), {.authkey = "wrong"});
        } catch (const mp::AuthenticationError&) {
            refused = true;
        }
        connection::Client(listener.address()).close();  // a port scanner
        connection::Client(listener.address(), {.authkey = "right"}).send(1);
    });
    CHECK_THROWS_WITH(listener.accept(), Contains("does not know the key"));
    CHECK_THROWS_AS(listener.accept(), mp::AuthenticationError);
    CHECK(listener.accept().recv<int>() == 1);
    clients.join();
    CHECK(refused);
}

TEST_CASE("A client that says nothing, or too little, is given up in time", "[authentication]") {
    connection::Listener listener({.authkey = "key", .handshake_timeout = 150ms});
    const std::string part = GENERATE(""s, "\0\0"s, "\0\0\0\x20half an answer"s);
    const Connection client = connection::Client(listener.address());
    REQUIRE(::send(client.fileno(), part.data(), part.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(part.size()));
    const auto start = std::chrono::steady_clock::now();
    CHECK_THROWS_WITH(listener.accept(), Contains("too long"));
    CHECK(std::chrono::steady_clock::now() - start < 10s);
}

TEST_CASE("A client that sends a byte now and then gains no time", "[authentication]") {
    connection::Listener listener({.authkey = "key", .handshake_timeout = 200ms});
    const Connection client = connection::Client(listener.address());
    std::atomic<bool> over{false};
    std::thread dripping([&] {
        const std::string bytes = "\0\0\0\xff"s + std::string(250, 'x');  // for 5 s
        for (std::size_t i = 0; i < bytes.size() && !over; ++i) {
            ::send(client.fileno(), &bytes[i], 1, MSG_NOSIGNAL);
            std::this_thread::sleep_for(20ms);
        }
    });
    const auto start = std::chrono::steady_clock::now();
    CHECK_THROWS_AS(listener.accept(), mp::AuthenticationError);
    CHECK(std::chrono::steady_clock::now() - start < 4s);
    over = true;
    dripping.join();
}

TEST_CASE("A listener that never accepts is given up in time", "[authentication]") {
    const connection::Listener listener({.authkey = "key"});
    CHECK_THROWS_WITH(
        connection::Client(listener.address(), {.authkey = "key", .handshake_timeout = 50ms}),
        Contains("too long"));
}

TEST_CASE("Nothing of a client with a wrong key is deserialized", "[authentication]") {
    connection::Listener listener({.authkey = "right"});
    const std::string value = text_of(mp::dumps(Reached{}));
    Reached::count = 0;
    const Connection client = connection::Client(listener.address());
    const std::string bytes = frame(std::string(16, 'x')) + frame(value) + frame(value);
    REQUIRE(::send(client.fileno(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
    CHECK_THROWS_AS(listener.accept(), mp::AuthenticationError);
    CHECK(Reached::count == 0);
}

TEST_CASE("Messages that are no part of a handshake are refused", "[authentication]") {
    const std::string message =
        GENERATE(""s, "x"s, std::string(16, 'x'), std::string(20, 'x'), "{sha256}"s + "x",
                 "{sha256}"s + std::string(32, 'x'), "{sha1}"s + std::string(20, 'x'),
                 "{sha3_512}"s + std::string(64, 'x'), "{"s + std::string(40, 'x'),
                 "{}"s + std::string(40, 'x'), std::string(256, '{'), std::string(257, 'x'));
    RawPair delivering;
    delivering.write(frame(message));
    CHECK_THROWS_AS(connection::deliver_challenge(delivering.connection, "key", 2s),
                    mp::AuthenticationError);
    RawPair answering;
    answering.write(frame(message));
    CHECK_THROWS_AS(connection::answer_challenge(answering.connection, "key", 2s),
                    mp::AuthenticationError);
    RawPair marked;
    if (message.size() > 20)
        return;
    marked.write(frame("#CHALLENGE#" + message.substr(0, 19)));
    CHECK_THROWS_AS(connection::answer_challenge(marked.connection, "key", 2s),
                    mp::AuthenticationError);
}

TEST_CASE("A forged length in a handshake takes no memory", "[authentication]") {
    const std::string forged = GENERATE("\x7f\xff\xff\xff"s, "\xff\xff\xff\xff\x7f\0\0\0\0\0\0\0"s,
                                        "\x80\0\0\0"s, "\0\0\1\1"s);
    RawPair raw;
    raw.write(forged);
    CHECK_THROWS_WITH(connection::deliver_challenge(raw.connection, "key", 2s),
                      Contains("bad message length"));
}

TEST_CASE("The answer to a challenge has the form that the challenge asks for",
          "[authentication]") {
    using mp::detail::challenge_answer;
    using mp::detail::check_answer;
    const std::string legacy(20, 'r');
    CHECK(challenge_answer("key", legacy) == mp::os::hmac("md5", "key", legacy));
    for (const char* name : {"md5", "sha256", "sha384", "sha3_256", "sha3_384"}) {
        const std::string challenge = "{"s + name + "}" + std::string(40, 'r');
        const std::string answer = challenge_answer("key", challenge);
        CHECK(answer == "{"s + name + "}" + mp::os::hmac(name, "key", challenge).value());
        CHECK_NOTHROW(check_answer("key", challenge, answer));
        CHECK_THROWS_AS(check_answer("kex", challenge, answer), mp::AuthenticationError);
        CHECK_THROWS_AS(check_answer("key", challenge + "x", answer), mp::AuthenticationError);
        std::string damaged = answer;
        damaged.back() = static_cast<char>(damaged.back() ^ 1);
        CHECK_THROWS_AS(check_answer("key", challenge, damaged), mp::AuthenticationError);
    }
    // an old peer takes a new challenge for random bytes
    const std::string challenge = "{sha256}" + std::string(40, 'r');
    CHECK_NOTHROW(check_answer("key", challenge, mp::os::hmac("md5", "key", challenge).value()));
    CHECK_THROWS_AS(challenge_answer("key", std::string(19, 'r')), mp::AuthenticationError);
}
