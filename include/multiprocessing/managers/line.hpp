// SPDX-License-Identifier: BSL-1.0
// One connection of a client to a manager's server.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <system_error>

#include <multiprocessing/connection/address.hpp>
#include <multiprocessing/connection/authentication.hpp>
#include <multiprocessing/connection/connection.hpp>
#include <multiprocessing/connection/connection_end.hpp>
#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/managers/protocol.hpp>
#include <multiprocessing/os/hopeful_spin.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/net.hpp>
#include <multiprocessing/os/stream_socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// Where a server is, and what one must know to be let in.
struct server_address {
    connection::Address address;
    std::optional<std::string> authkey;
    Timeout patience = handshake_patience;  ///< for a connection to be accepted and authenticated
};

/// One connection of a session; one thread at a time uses it.
class line {
  public:
    /// @throws TimeoutError, AuthenticationError or std::system_error when the server cannot be
    ///     reached in time
    line(const server_address& to, Deadline deadline) : connection_(connect(to, deadline)) {
        if (!to.authkey)
            return;
        try {
            handshake messages(connection_, deadline);
            detail::answer_challenge(messages, *to.authkey);
            detail::deliver_challenge(messages, *to.authkey);
        } catch (const AuthenticationError&) {
            if (deadline.expired())
                throw_silent();
            throw;
        }
    }

    welcome greet(const hello& greeting, Deadline deadline) {
        send(std::as_bytes(std::span(&greeting, 1)), deadline);
        heap_buffer reply;
        if (!receive(reply, deadline))
            throw_silent();
        const auto body = body_of(reply);
        if (body.size() != sizeof(welcome))
            throw ProcessError("manager: what listens there is no manager");
        const auto text = input_cursor(body).read_value<welcome>();
        if (text.magic != hello::expected_magic)
            throw ProcessError("manager: what listens there is another kind of manager");
        return text;
    }

    void send(std::span<const std::byte> message, Deadline deadline = Deadline()) {
        end().send(message, deadline);
    }
    /// False after half a request was sent.
    [[nodiscard]] bool intact() const noexcept { return connection_.writable(); }
    /// Receives one message with its length before it.
    /// @param buffer what has arrived of it stays there when this throws, and is gone on with
    /// @returns false when it was not complete at the deadline
    /// @throws EOFError when the server is gone; KeyboardInterrupt
    bool receive(heap_buffer& buffer, Deadline deadline = Deadline()) {
        const int fd = end().fileno();
        for (;;) {
            const auto place = find_frame(buffer.bytes());
            const std::uint64_t whole = place ? place->begin + place->length : 0;
            if (place && buffer.size() >= whole)
                return true;
            const std::size_t step =
                std::clamp<std::uint64_t>(whole - std::min<std::uint64_t>(whole, buffer.size()),
                                          least_step, std::max(most_step, buffer.size()));
            const std::span target(buffer.reserve(step), step);
            os::transfer got;
            const auto take = [&] {
                got = os::receive_some(fd, target);
                return got.state != os::transfer_state::would_block;
            };
            if (buffer.size() == 0)
                spin_(take);
            else
                take();
            if (got.state == os::transfer_state::closed)
                throw EOFError("manager: the server is gone");
            if (got.state == os::transfer_state::done) {
                buffer.commit(got.size);
                continue;
            }
            check_interrupt();
            if (deadline.expired())
                return false;
            os::poll_readable(fd, deadline.remaining());
        }
    }
    /// @pre receive() has returned true
    static std::span<const std::byte> body_of(const heap_buffer& buffer) {
        const auto place = find_frame(buffer.bytes());
        return buffer.bytes().subspan(place->begin);
    }

  private:
    static constexpr std::size_t least_step = std::size_t{1} << 10;
    static constexpr std::size_t most_step = std::size_t{256} << 10;

    [[noreturn]] static void throw_silent() {
        throw TimeoutError("manager: the server does not answer");
    }
    static Connection connect(const server_address& to, Deadline deadline) {
        const auto candidates = socket_addresses(to.address);
        for (std::size_t i = 0;; ++i) {
            try {
                return connection_access::make(os::connect_stream(candidates[i], wait_slice, [&] {
                    check_interrupt();
                    if (deadline.expired())
                        throw TimeoutError("manager at " + to_text(to.address) +
                                           ": the server accepts no connection");
                }));
            } catch (const std::system_error& error) {
                if (i + 1 == candidates.size())
                    throw std::system_error(error.code(), "manager at " + to_text(to.address));
            }
        }
    }
    [[nodiscard]] connection_end& end() const { return connection_access::end(connection_); }

    Connection connection_;
    os::hopeful_spin spin_;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
