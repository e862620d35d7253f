// SPDX-License-Identifier: BSL-1.0
// How two processes prove to each other that they know the same key: CPython's challenge and
// answer.
//
// The one who asks sends "#CHALLENGE#" and a message; the other answers with the keyed digest of
// the message; "#WELCOME#" or "#FAILURE#" follows. CPython up to 3.11 sends 20 random bytes and
// takes HMAC-MD5 alone. Later ones, and we, begin the message with the name of a digest,
// "{sha256}", and so does the answer; who does not know that takes the whole for random bytes and
// answers with MD5, which is accepted.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <multiprocessing/connection/connection.hpp>
#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/hmac.hpp>
#include <multiprocessing/os/random.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

inline constexpr std::string_view challenge_mark = "#CHALLENGE#";
inline constexpr std::string_view welcome_mark = "#WELCOME#";
inline constexpr std::string_view failure_mark = "#FAILURE#";
inline constexpr std::size_t longest_handshake_message = 256;
inline constexpr std::size_t legacy_challenge_size = 20;
inline constexpr std::size_t legacy_answer_size = 16;
inline constexpr std::chrono::seconds handshake_patience{10};

/// The digest that a challenge or an answer names, and what follows its name.
struct named_digest {
    std::string_view name;  ///< empty: the old form, MD5 without a name
    std::string_view rest;
};

/// @throws AuthenticationError when the message has neither form
inline named_digest read_digest_name(std::string_view message) {
    if (message.size() == legacy_challenge_size || message.size() == legacy_answer_size)
        return {"", message};
    for (const std::string_view name : {"md5", "sha256", "sha384", "sha3_256", "sha3_384"}) {
        const std::size_t end = name.size() + 1;
        if (message.size() > end && message.front() == '{' && message[end] == '}' &&
            message.substr(1, name.size()) == name)
            return {name, message.substr(end + 1)};
    }
    throw AuthenticationError("authentication: the other side names no digest that is known");
}

/// The answer to a challenge, without the mark before it.
/// @throws AuthenticationError when the challenge has no known form
inline std::string challenge_answer(std::string_view key, std::string_view challenge) {
    if (challenge.size() < legacy_challenge_size)
        throw AuthenticationError("authentication: the challenge is too short");
    std::string_view name = read_digest_name(challenge).name;
    if (name.empty()) {
        if (auto answer = os::hmac("md5", key, challenge))
            return std::move(*answer);
        name = "sha256";  // where MD5 is forbidden: the other side may know the new form
    }
    const auto digest = os::hmac(name, key, challenge);
    if (!digest)
        throw AuthenticationError("authentication: this system has no " + std::string(name));
    return "{" + std::string(name) + "}" + *digest;
}

/// @throws AuthenticationError when it is not the answer of one who knows the key
inline void check_answer(std::string_view key, std::string_view challenge,
                         std::string_view answer) {
    const auto [name, digest] = read_digest_name(answer);
    const auto expected = os::hmac(name.empty() ? "md5" : name, key, challenge);
    if (!expected || !os::equal_secrets(*expected, digest))
        throw AuthenticationError("authentication: the other side does not know the key");
}

/// @throws ProcessError where the program was compiled without OpenSSL
inline void require_hmac() {
    if constexpr (!os::has_hmac)
        throw ProcessError(
            "authkey: this program was compiled without OpenSSL: install libssl-dev");
}

/// The messages of a handshake: all must come before one deadline, none is long, and whatever fails
/// is an AuthenticationError that says why.
class handshake {
  public:
    handshake(const Connection& connection, Deadline deadline)
        : end_(connection_access::end(connection)), deadline_(deadline) {}
    handshake(const Connection& connection, Timeout timeout)
        : handshake(connection, Deadline(timeout)) {}

    void send(std::string_view text) {
        guarded([&] { end_.send(std::as_bytes(std::span(text)), deadline_); });
    }
    [[nodiscard]] std::string receive() {
        std::string text;
        guarded([&] {
            end_.receive(
                [&](std::uint64_t length, const auto& source) {
                    if (length > longest_handshake_message)
                        throw_bad_length("it is no part of a handshake");
                    text.resize(length);
                    detail::read_exactly(source, std::as_writable_bytes(std::span(text)), true);
                },
                deadline_);
        });
        return text;
    }

  private:
    template <class Step>
    static void guarded(Step step) {
        const auto fail = [](const std::exception& error) {
            throw AuthenticationError(std::string("authentication: ") + error.what());
        };
        try {
            step();
        } catch (const EOFError& error) {
            fail(error);
        } catch (const TimeoutError& error) {
            fail(error);
        } catch (const std::system_error& error) {
            fail(error);
        }
    }

    connection_end& end_;
    Deadline deadline_;
};

inline void deliver_challenge(handshake& with, std::string_view key) {
    std::array<char, 40> random{};
    os::fill_random(random.data(), random.size());
    const std::string challenge = "{sha256}" + std::string(random.data(), random.size());
    with.send(std::string(challenge_mark) + challenge);
    const std::string answer = with.receive();
    try {
        check_answer(key, challenge, answer);
    } catch (const AuthenticationError&) {
        with.send(failure_mark);
        throw;
    }
    with.send(welcome_mark);
}

inline void answer_challenge(handshake& with, std::string_view key) {
    const std::string message = with.receive();
    if (!message.starts_with(challenge_mark))
        throw AuthenticationError("authentication: the other side sent no challenge");
    with.send(challenge_answer(key, std::string_view(message).substr(challenge_mark.size())));
    if (with.receive() != welcome_mark)
        throw AuthenticationError("authentication: the other side refused our answer");
}

}  // namespace detail

namespace connection {

/// Has the other end of a connection prove that it knows the key; there answer_challenge() must
/// run.
/// @param timeout for the whole exchange
/// @throws AuthenticationError when it does not prove it in time, sends something else, or closes
/// @par Python `multiprocessing.connection.deliver_challenge`
inline void deliver_challenge(const Connection& with, std::string_view authkey,
                              Timeout timeout = detail::handshake_patience) {
    detail::require_hmac();
    detail::handshake messages(with, timeout);
    detail::deliver_challenge(messages, authkey);
}

/// Proves to the other end of a connection that this one knows the key.
/// @param timeout for the whole exchange
/// @throws AuthenticationError when the other end does not believe it, does not ask or closes
/// @par Python `multiprocessing.connection.answer_challenge`
inline void answer_challenge(const Connection& with, std::string_view authkey,
                             Timeout timeout = detail::handshake_patience) {
    detail::require_hmac();
    detail::handshake messages(with, timeout);
    detail::answer_challenge(messages, authkey);
}

}  // namespace connection
}  // namespace v0
}  // namespace multiprocessing
