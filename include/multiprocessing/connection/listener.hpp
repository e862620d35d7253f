// SPDX-License-Identifier: BSL-1.0
// Listener and Client: connections between processes that have nothing in common but an address.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <multiprocessing/connection/address.hpp>
#include <multiprocessing/connection/authentication.hpp>
#include <multiprocessing/connection/connection.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/fork_safe_lock.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/named_memory.hpp>
#include <multiprocessing/os/net.hpp>
#include <multiprocessing/os/process_id.hpp>
#include <multiprocessing/os/random.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace connection {

/// The keyword arguments of a Listener.
struct ListenerOptions {
    Address address = {};  ///< default: the path of a Unix socket that only this user can reach
    std::optional<std::string> authkey = {};  ///< any bytes; an empty one is a key, too
    int backlog = 128;                        ///< how many clients may wait to be accepted
    /// How long a client may take to prove that it knows the key.
    Timeout handshake_timeout = detail::handshake_patience;
};

/// The keyword arguments of Client().
struct ClientOptions {
    std::optional<std::string> authkey = {};
    /// How long the listener may take to accept us and to prove that it knows the key.
    Timeout handshake_timeout = detail::handshake_patience;
};

}  // namespace connection

namespace detail {

/// The name of a Unix socket in the file system; removed with its owner, in the process that made
/// it, and only while it still stands for the same socket.
class socket_path {
  public:
    socket_path() = default;
    /// @pre a socket was bound to the path just now
    explicit socket_path(const std::string& path)
        : path_(std::filesystem::absolute(path)), file_(os::identity_of(path_)) {}
    socket_path(const socket_path&) = delete;
    socket_path& operator=(const socket_path&) = delete;
    ~socket_path() { remove(); }

    void remove() noexcept {
        if (file_ && creator_ == os::process_id())
            os::unlink_if_same(path_, *file_);
        file_.reset();
    }

  private:
    std::string path_;
    std::optional<os::file_identity> file_;
    pid_t creator_ = os::process_id();
};

/// A socket that listens, and what it is known by.
class listening_socket {
  public:
    /// @throws std::system_error that names the address
    listening_socket(connection::Address address, int backlog) {
        const bool arbitrary = address.empty();
        if (arbitrary)
            address = arbitrary_path();
        os::descriptor socket = bind(address);
        if (!address.is_internet() && !address.is_abstract())
            path_.emplace(address.path());
        if (arbitrary)
            os::make_private(address.path());
        os::listen(socket.get(), backlog);
        address_ = address.is_internet() ? address_from(os::address_of(socket.get())) : address;
        socket_ = std::make_shared<const os::descriptor>(std::move(socket));
    }

    [[nodiscard]] const connection::Address& address() const noexcept { return address_; }

    /// Null when it is closed. Who holds it keeps the descriptor open.
    [[nodiscard]] std::shared_ptr<const os::descriptor> socket() const {
        const std::scoped_lock lock(lock_);
        return socket_;
    }
    /// Calls that other threads are in end first, within a slice: then the address is free again.
    void close() noexcept {
        std::shared_ptr<const os::descriptor> last;
        std::list<Connection> strangers;
        {
            const std::scoped_lock lock(lock_);
            if (path_)
                path_->remove();
            last.swap(socket_);
            strangers.swap(strangers_);
        }
        for (const Connection& one : strangers)
            one.close();
        for (const Deadline end(2 * wait_slice); last.use_count() > 1 && !end.expired();)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }

    /// Calls `prove` while a client has not proven itself; close() closes its connection.
    /// @throws ValueError when the listener is closed, also meanwhile; what `prove` throws
    template <class Prove>
    void with_stranger(const Connection& client, Prove prove) {
        std::list<Connection> one{client};
        const auto place = one.begin();
        {
            const std::scoped_lock lock(lock_);
            require_open();
            strangers_.splice(strangers_.end(), one);
        }
        const auto forget = [&] {
            const std::scoped_lock lock(lock_);
            require_open();  // else close() has taken it
            one.splice(one.end(), strangers_, place);
        };
        try {
            prove();
        } catch (...) {
            forget();
            throw;
        }
        forget();
    }

    [[nodiscard]] std::optional<connection::Address> last_accepted() const {
        const std::scoped_lock lock(lock_);
        return last_accepted_;
    }
    void accepted(connection::Address peer) {
        const std::scoped_lock lock(lock_);
        last_accepted_ = std::move(peer);
    }

  private:
    void require_open() const {
        if (!socket_)
            throw ValueError("Listener.accept: the listener is closed");
    }
    static std::string arbitrary_path() {
        const auto name = "listener-" + std::to_string(os::random_number<std::uint64_t>());
        return std::filesystem::temp_directory_path() / name;
    }
    static bool is_not_available(const std::system_error& error) noexcept {
        const int code = error.code().value();
        return code == EADDRNOTAVAIL || code == EAFNOSUPPORT || code == EPROTONOSUPPORT;
    }
    static os::descriptor bind(const connection::Address& address) {
        const auto candidates = socket_addresses(address);
        for (std::size_t i = 0;; ++i) {
            try {
                return os::bind_stream(candidates[i]);
            } catch (const std::system_error& error) {
                // A busy port of one family is not made good by a free one of the other: clients
                // would reach whoever has the first.
                if (i + 1 == candidates.size() || !is_not_available(error))
                    throw std::system_error(error.code(), "Listener at " + to_text(address));
            }
        }
    }

    mutable os::fork_safe_lock lock_;
    std::shared_ptr<const os::descriptor> socket_;
    std::optional<socket_path> path_;
    connection::Address address_;
    std::optional<connection::Address> last_accepted_;
    std::list<Connection> strangers_;  // clients that have not proven themselves
};

}  // namespace detail

namespace connection {

/// Waits for connections at an address.
///
/// With a key, both sides prove to each other that they know it before a connection is handed out:
/// nobody without the key gets a byte deserialized.
/// @note Move-only; any thread may use it. The destructor closes it. A path is then removed,
///     unless it stands for another socket by now, and only by the process that made the Listener.
/// @par Python `multiprocessing.connection.Listener`, whose backlog is 1 and whose accept() waits
///     for ever for a client that says nothing
class Listener {
  public:
    /// @throws std::system_error (EADDRINUSE, EACCES, ...) when it cannot listen there
    /// @throws ProcessError when there is a key and the program was compiled without OpenSSL
    explicit Listener(ListenerOptions options = {}) : options_(std::move(options)) {
        if (options_.authkey)
            detail::require_hmac();
        socket_ = std::make_unique<detail::listening_socket>(options_.address, options_.backlog);
    }
    Listener(Listener&&) noexcept = default;
    Listener& operator=(Listener&& other) noexcept {
        Listener taken(std::move(other));  // a string that is assigned to itself is empty
        std::swap(options_, taken.options_);
        std::swap(socket_, taken.socket_);
        return *this;
    }
    ~Listener() = default;

    /// Waits for a client.
    /// @throws AuthenticationError when a client did not prove in time that it knows the key; that
    ///     connection is closed, and the next call serves the next client
    /// @throws ValueError when the Listener is closed, also meanwhile; KeyboardInterrupt;
    ///     std::system_error when the process has no descriptors left: the client then still waits
    /// @note A client that connects and says nothing holds up a call for handshake_timeout; others
    ///     are served by other threads that call accept(), or afterwards.
    /// @par Python raises EOFError and OSError, too, when the handshake fails
    Connection accept() {
        for (;;) {
            const auto socket = open_socket("Listener.accept");
            detail::check_interrupt();
            if (auto client = os::accept_stream(socket->get())) {
                socket_->accepted(detail::address_from(client->second));
                const Connection connection =
                    detail::connection_access::make(std::move(client->first));
                authenticate(connection);
                return connection;
            }
            os::poll_readable(socket->get(), detail::wait_slice);
        }
    }

    /// Where clients connect: with the port that the system chose, or the path that was.
    [[nodiscard]] Address address() const { return state("Listener.address").address(); }
    /// Where the client came from that was accepted last, whether or not it knew the key.
    /// @returns nothing before the first one; an empty address for a Unix socket without a name
    [[nodiscard]] std::optional<Address> last_accepted() const {
        return state("Listener.last_accepted").last_accepted();
    }

    /// @returns a descriptor that is readable when a client waits: for wait()
    /// @throws ValueError when the Listener is closed
    [[nodiscard]] int fileno() const { return open_socket("Listener.fileno")->get(); }

    /// Waits for no more clients and removes the path. Connections go on.
    void close() noexcept {
        if (socket_)
            socket_->close();
    }

  private:
    [[nodiscard]] detail::listening_socket& state(const char* call) const {
        if (!socket_)
            throw ValueError(std::string(call) + ": the listener was moved from");
        return *socket_;
    }
    [[nodiscard]] std::shared_ptr<const os::descriptor> open_socket(const char* call) const {
        auto socket = state(call).socket();
        if (!socket)
            throw ValueError(std::string(call) + ": the listener is closed");
        return socket;
    }
    void authenticate(const Connection& connection) const {
        if (!options_.authkey)
            return;
        socket_->with_stranger(connection, [&] {
            detail::handshake messages(connection, options_.handshake_timeout);
            detail::deliver_challenge(messages, *options_.authkey);
            detail::answer_challenge(messages, *options_.authkey);
        });
    }

    ListenerOptions options_;
    std::unique_ptr<detail::listening_socket> socket_;
};

/// Connects to a Listener.
/// @throws std::system_error (ECONNREFUSED, ENOENT, ...) when nobody listens there
/// @throws AuthenticationError when the keys differ, one side has none, or the listener does not
///     accept in time
/// @throws KeyboardInterrupt under an InterruptGuard
/// @note Without a key it returns when the system has connected, before the listener accepts; while
///     the listener's backlog is full it waits, as long as that lasts.
/// @par Python `multiprocessing.connection.Client`, which waits for ever for a full backlog, and
///     for a listener that does not answer
inline Connection Client(const Address& address, ClientOptions options = {}) {
    if (address.empty())
        os::throw_system_error("Client: the address is empty", EDESTADDRREQ);
    if (options.authkey)
        detail::require_hmac();
    const detail::Deadline deadline =
        options.authkey ? detail::Deadline(options.handshake_timeout) : detail::Deadline();
    const auto pause = [&] {
        detail::check_interrupt();
        if (deadline.expired())
            throw AuthenticationError("authentication: the listener accepts nobody");
    };
    const auto candidates = detail::socket_addresses(address);
    for (std::size_t i = 0;; ++i) {
        Connection connection;
        try {
            connection = detail::connection_access::make(
                os::connect_stream(candidates[i], detail::wait_slice, pause));
        } catch (const std::system_error& error) {
            if (i + 1 == candidates.size())
                throw std::system_error(error.code(), "Client of " + detail::to_text(address));
            continue;
        }
        if (options.authkey) {
            detail::handshake messages(connection, deadline);
            detail::answer_challenge(messages, *options.authkey);
            detail::deliver_challenge(messages, *options.authkey);
        }
        return connection;
    }
}

}  // namespace connection
}  // namespace v0
}  // namespace multiprocessing
