// SPDX-License-Identifier: BSL-1.0
// Connection, one end of a two-way stream of messages, and Pipe, which makes two of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/connection/connection_end.hpp>
#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/tracker.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/stream_socket.hpp>
#include <multiprocessing/serialization/checks.hpp>
#include <multiprocessing/serialization/pickle.hpp>

namespace multiprocessing {
inline namespace v0 {

class Connection;
namespace detail {
struct connection_access;

/// The type of recv() where none is named: converts to any, so that there is no second error.
struct no_type {
    template <class T>
    operator T() const;
};
}  // namespace detail

/// One end of a connection that carries messages: values of picklable types, or bytes.
///
/// A handle: a copy names the same end. The descriptor is closed by close(), for all copies, or
/// with the last copy; a process that was forked meanwhile has its own.
/// @note Any thread may use it: messages stay whole, and each goes to one receiver. Two *processes*
///     that receive from the same end at the same time tear messages apart, as in Python: give each
///     its own connection, or use a Queue.
/// @note Who waits throws KeyboardInterrupt under an InterruptGuard. When that, or anything else,
///     ends a call in the middle of a message, this end cannot go on in that direction: readable()
///     or writable() then turns false.
/// @par Python `multiprocessing.connection.Connection`. The framing is Python's; `send` and `recv`
///     carry this library's bytes and not pickles, so only `send_bytes` and `recv_bytes` talk to
///     Python programs.
class Connection {
  public:
    using multiprocessing_handle = void;

    /// Names no end: closed.
    Connection() = default;

    /// Takes a connected stream socket over.
    /// @param handle its descriptor, which is not closed when this throws
    /// @throws ValueError when it is negative, or neither direction is wanted; std::system_error
    ///     when it is no stream socket
    explicit Connection(int handle, bool readable = true, bool writable = true) {
        if (handle < 0)
            throw ValueError("Connection: invalid handle");
        if (!readable && !writable)
            throw ValueError("Connection: it must be readable or writable");
        os::require_stream_socket(handle);
        os::descriptor owner(handle);
        try {
            end_ = std::make_shared<detail::connection_end>(std::move(owner), readable, writable);
        } catch (...) {
            (void)owner.release();
            throw;
        }
    }

    /// Sends a value.
    /// @throws PicklingError, and what its `serialize` throws, before anything is sent
    /// @throws EOFError when the other end is closed; ValueError when this one is, or only receives
    /// @note Waits while the other side does not read and the system's buffer is full.
    /// @par Python a closed other end is a BrokenPipeError there; no SIGPIPE in both
    template <class T>
    void send(const T& value) const {
        (void)detail::argument_check<T>{};
        if constexpr (Picklable<T>) {
            detail::connection_end& to = end();
            detail::heap_buffer buffer;
            try {
                detail::dump(buffer, value);
                to.send(buffer.bytes());
            } catch (...) {  // nobody will receive it whole
                constexpr std::size_t header = sizeof(detail::pickle_header);
                if constexpr (!detail::flat<T>)
                    if (buffer.size() > header)
                        detail::withdraw<T>(detail::input_cursor(buffer.bytes().subspan(header)));
                throw;
            }
        }
    }
    /// Sends a text, which arrives as std::string.
    void send(const char* text) const { send(std::string(text)); }

    /// Receives a value; waits for it.
    /// @throws UnpicklingError when the message is a value of another type, or no value; it
    ///     is then gone and the next one can be received
    /// @throws EOFError when the other end is closed and all it sent was received, or it was closed
    ///     in the middle of a message; ValueError when this end is closed, or only sends
    template <class T = detail::no_type>
    T recv() const {
        static_assert(!std::is_same_v<T, detail::no_type>,
                      "multiprocessing: recv() needs the type of what is to be received, as in "
                      "recv<int>()");
        if constexpr (!std::is_same_v<T, detail::no_type>)
            (void)detail::argument_check<T>{};
        if constexpr (Picklable<T>) {
            detail::heap_buffer buffer;
            receive(buffer);
            return loads<T>(buffer.bytes());
        } else {
            throw UnpicklingError("Connection.recv");
        }
    }

    /// Sends bytes as one message; none at all is a message too.
    /// @param offset where to begin
    /// @param size how many bytes; default: the rest
    /// @throws ValueError when the bytes are fewer; else as send()
    void send_bytes(std::span<const std::byte> bytes, std::size_t offset = 0,
                    std::optional<std::size_t> size = {}) const {
        detail::connection_end& to = end();
        if (offset > bytes.size())
            throw ValueError("Connection.send_bytes: the offset is larger than the buffer");
        bytes = bytes.subspan(offset);
        if (size && *size > bytes.size())
            throw ValueError("Connection.send_bytes: offset and size reach beyond the buffer");
        to.send(bytes.first(size.value_or(bytes.size())));
    }

    /// Receives one message as bytes; waits for it. Memory is taken as it arrives.
    /// @throws EOFError, ValueError as recv()
    std::vector<std::byte> recv_bytes() const {
        detail::vector_buffer buffer;
        receive(buffer);
        return std::move(buffer).take();
    }
    /// @param maxlength the longest message that is wanted, in bytes
    /// @throws std::system_error (EMSGSIZE) when the message is longer. This end then receives no
    ///     more, and is closed if it does not send either
    std::vector<std::byte> recv_bytes(std::size_t maxlength) const {
        detail::vector_buffer buffer;
        try {
            receive(buffer, maxlength);
        } catch (const std::system_error&) {
            if (!writable())
                close();
            throw;
        }
        return std::move(buffer).take();
    }

    /// Receives one message into a buffer.
    /// @param offset where in the buffer it begins
    /// @returns the length of the message
    /// @throws BufferTooShort when the buffer is: the message is gone from the connection, the
    ///     exception holds it
    /// @throws ValueError when the offset is larger than the buffer; else as recv()
    std::size_t recv_bytes_into(std::span<std::byte> buffer, std::size_t offset = 0) const {
        detail::connection_end& from = end();
        if (offset > buffer.size())
            throw ValueError("Connection.recv_bytes_into: the offset is larger than the buffer");
        const std::span<std::byte> target = buffer.subspan(offset);
        std::uint64_t length = 0;
        detail::vector_buffer rest;
        from.receive([&](std::uint64_t announced, const auto& source) {
            length = announced;
            if (length <= target.size())
                detail::read_exactly(source, target.first(length), true);
            else
                detail::read_body(source, length, rest);
        });
        if (length > target.size())
            throw BufferTooShort("Connection.recv_bytes_into: a message of " +
                                     std::to_string(length) + " bytes is longer than the buffer",
                                 std::move(rest).take());
        return length;
    }

    /// Whether recv() would find something at once: a message, its beginning, or the end of the
    /// stream.
    /// @throws ValueError when this end is closed, or only sends
    bool poll() const { return poll(std::chrono::nanoseconds::zero()); }
    /// Waits for that, at most the timeout.
    bool poll(Timeout timeout) const { return end().poll(detail::Deadline(timeout)); }

    /// @returns the descriptor; still owned by the connection
    /// @throws ValueError when it is closed
    int fileno() const { return end().fileno(); }

    /// Closes this end in this process, for all copies; the other side then sees the end of the
    /// stream, once no other process has this end. Nothing when it is closed already.
    /// @note Calls that other threads are in throw ValueError within a tenth of a second; close()
    ///     waits for that.
    void close() const noexcept {
        if (end_)
            end_->close();
    }
    [[nodiscard]] bool closed() const noexcept { return !end_ || end_->closed(); }
    [[nodiscard]] bool readable() const noexcept { return end_ && end_->readable(); }
    [[nodiscard]] bool writable() const noexcept { return end_ && end_->writable(); }

    /// Whether both name the same end in this process.
    friend bool operator==(const Connection&, const Connection&) = default;

    /// Sent to another process, a Connection names the same end there. The tracker keeps it open
    /// until it is received, or until the last process of the program has ended.
    /// @throws PicklingError when it is closed; ProcessError when there is no tracker
    /// @throws UnpicklingError when it was received before: bytes stand for one arrival
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        detail::descriptor_ticket ticket;
        bool reads = readable();
        bool writes = writable();
        if constexpr (Archive::is_saving::value) {
            if (closed())
                throw PicklingError("pickling: a closed Connection");
            ticket = detail::deposit_descriptor(end().keep()->get());
        }
        archive& ticket& reads& writes;
        if constexpr (Archive::is_loading::value)
            end_ = std::make_shared<detail::connection_end>(detail::withdraw_descriptor(ticket),
                                                            reads, writes);
    }

    /// Calls of pools keep a descriptor of their own of a Connection among their arguments, so that
    /// it may be closed as soon as apply_async() has returned.
    friend void keep_open(Connection& connection) {
        if (!connection.closed())
            connection.end_ = std::make_shared<detail::connection_end>(
                os::duplicate(connection.end().keep()->get()), connection.readable(),
                connection.writable());
    }

  private:
    friend struct detail::connection_access;

    [[nodiscard]] detail::connection_end& end() const {
        if (!end_)
            throw ValueError("Connection: it is closed");
        return *end_;
    }
    void receive(detail::output_buffer& buffer,
                 std::uint64_t maxlength = detail::frame_header::longest) const {
        end().receive([&](std::uint64_t length, const auto& source) {
            if (length > maxlength)
                detail::throw_bad_length("it is larger than maxlength");
            detail::read_body(source, length, buffer);
        });
    }

    std::shared_ptr<detail::connection_end> end_;
};

namespace detail {
/// How the rest of the floor makes connections and gets at what they share.
struct connection_access {
    static Connection make(os::descriptor fd, bool readable = true, bool writable = true) {
        Connection connection;
        connection.end_ = std::make_shared<connection_end>(std::move(fd), readable, writable);
        return connection;
    }
    static connection_end& end(const Connection& connection) { return connection.end(); }
};
}  // namespace detail

/// Makes the two ends of a new connection.
/// @param duplex whether both ends send and receive; else the first one only receives, the second
///     one only sends
/// @throws std::system_error when the process has no descriptors left
/// @par Python `multiprocessing.Pipe`; one-way pipes are pairs of sockets here, too
[[nodiscard]] inline std::pair<Connection, Connection> Pipe(bool duplex = true) {
    auto [first, second] = os::stream_pair();
    return {detail::connection_access::make(std::move(first), true, duplex),
            detail::connection_access::make(std::move(second), duplex, true)};
}

}  // namespace v0
}  // namespace multiprocessing
