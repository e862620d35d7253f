// SPDX-License-Identifier: BSL-1.0
// The server of a manager: one thread that serves all clients and waits for none.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <multiprocessing/connection/address.hpp>
#include <multiprocessing/connection/listener.hpp>
#include <multiprocessing/core/logging.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/managers/objects.hpp>
#include <multiprocessing/managers/server_connection.hpp>
#include <multiprocessing/memory/tracker.hpp>
#include <multiprocessing/os/abstract_socket.hpp>
#include <multiprocessing/os/hopeful_spin.hpp>
#include <multiprocessing/os/limits.hpp>
#include <multiprocessing/os/net.hpp>
#include <multiprocessing/os/random.hpp>
#include <multiprocessing/os/wait_set.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace managers {

/// Holds the objects of a manager and serves its clients.
/// @par Python `multiprocessing.managers.Server`, which has a thread for each connection
class Server {
  public:
    /// @param address where clients connect; none: an abstract name that nobody has
    /// @param authkey nothing: processes of this user are let in through Unix sockets, others not
    /// @throws std::system_error (EADDRINUSE, EACCES, ...) when it cannot listen there
    Server(connection::Address address, std::optional<std::string> authkey,
           detail::managed::class_registry classes)
        : key_(std::move(authkey)),
          socket_(address.empty() ? free_name() : usable(std::move(address)), 128),
          listener_(socket_.socket()),
          objects_(std::move(classes)) {
        watched_.add(listener_->get());
        record_path();
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() {
        connections_.clear();
        if (path_)
            detail::trackers::own().forget(*path_);
    }

    [[nodiscard]] connection::Address address() const { return socket_.address(); }

    /// Serves clients until one of them asks for the end.
    /// @throws KeyboardInterrupt under an InterruptGuard
    void serve_forever() {
        std::vector<int> ready;
        while (!objects_.ending()) {
            detail::check_interrupt();
            const auto next = objects_.expire();
            flush();
            wait(ready, next);
            for (const int fd : ready) {
                if (fd == listener_->get())
                    accept();
                else
                    attend(fd);
                flush();
            }
            end_silent();
        }
        flush();
    }

  private:
    using clock = std::chrono::steady_clock;
    using connection_ptr = std::unique_ptr<detail::managed::server_connection>;

    static connection::Address free_name() {
        return std::string(1, '\0') + "multiprocessing-manager-" +
               std::to_string(os::random_number<std::uint64_t>());
    }
    /// A path at which nobody listens any more is free.
    static connection::Address usable(connection::Address address) {
        if (!address.is_internet() && !address.is_abstract())
            if (const auto file = os::identity_of(address.path()))
                if (nobody_listens(address))
                    os::unlink_if_same(address.path(), *file);
        return address;
    }
    static bool nobody_listens(const connection::Address& address) {
        try {
            (void)os::connect_stream(os::unix_address(address.path()), detail::wait_slice, [] {
                throw std::system_error(EAGAIN, std::system_category());
            });
        } catch (const std::system_error& error) {
            return error.code().value() == ECONNREFUSED;
        }
        return false;
    }
    /// The family's tracker removes the path if this process is killed.
    void record_path() {
        const connection::Address at = address();
        if (at.is_internet() || at.is_abstract())
            return;
        const auto path = std::filesystem::absolute(at.path());
        if (const auto file = os::identity_of(path.string())) {
            path_ = detail::recorded_name{path.string(), *file, detail::name_kind::memory};
            detail::trackers::own().record(*path_);
        }
    }

    void wait(std::vector<int>& ready, std::optional<std::chrono::nanoseconds> next) {
        const auto limit = std::min<std::chrono::nanoseconds>(next.value_or(detail::wait_slice),
                                                              detail::wait_slice);
        const auto look = [&] {
            watched_.wait(ready, std::chrono::milliseconds(0));
            return !ready.empty();
        };
        if (!(busy_ ? spin_(look) : look()) && limit > limit.zero())
            watched_.wait(ready, std::chrono::ceil<std::chrono::milliseconds>(limit));
        busy_ = !ready.empty();
    }

    void accept() {
        try {
            while (auto client = os::accept_stream(listener_->get())) {
                os::descriptor socket = std::move(client->first);
                if (!key_ && !(client->second.is_unix() && os::peer_is_same_user(socket.get())))
                    continue;
                const int fd = socket.get();
                connections_[fd] = std::make_unique<detail::managed::server_connection>(
                    std::move(socket), objects_, key_, answered_);
                watched_.add(fd);
                silent_.push_back({connections_[fd]->begun(), fd});
            }
        } catch (const std::system_error&) {
            // Those that have a connection are served on, and the client waits.
            if (!std::exchange(has_warned_, true))
                get_logger().warning("manager: no descriptors are left for more clients");
            watched_.set(listener_->get(), false, false);
            accept_again_ = clock::now() + detail::wait_slice;
        }
    }

    void attend(int fd) {
        const auto found = connections_.find(fd);
        if (found == connections_.end())
            return;
        found->second->read();
        settle(fd, *found->second);
    }
    /// Sends what the last requests gave rise to, here and for others.
    void flush() {
        while (!answered_.empty()) {
            for (const int fd : std::exchange(answered_, {}))
                if (const auto found = connections_.find(fd); found != connections_.end())
                    settle(fd, *found->second);
        }
    }
    void settle(int fd, detail::managed::server_connection& connection) {
        connection.write();
        if (connection.over()) {
            const auto last = connections_.extract(fd);
            watched_.remove(fd);
            last_interest_.erase(fd);
            return;
        }
        const interest now{connection.wants_to_read(), connection.has_output()};
        interest& before = last_interest_.try_emplace(fd, interest{true, false}).first->second;
        if (now != before) {
            watched_.set(fd, now.read, now.write);
            before = now;
        }
    }

    /// Ends connections that did not prove in time that they know the key.
    void end_silent() {
        const auto now = clock::now();
        while (!silent_.empty() && silent_.front().begun + detail::handshake_patience <= now) {
            const auto [begun, fd] = silent_.front();
            silent_.pop_front();
            const auto found = connections_.find(fd);
            if (found == connections_.end() || found->second->begun() != begun ||
                found->second->authenticated())
                continue;
            watched_.remove(fd);
            last_interest_.erase(fd);
            connections_.erase(found);
        }
        if (accept_again_ && *accept_again_ <= now) {
            accept_again_.reset();
            watched_.set(listener_->get(), true, false);
        }
    }

    struct interest {
        bool read;
        bool write;
        bool operator==(const interest&) const = default;
    };
    struct silence {
        clock::time_point begun;
        int fd;
    };
    const std::optional<std::string> key_;
    detail::listening_socket socket_;
    const std::shared_ptr<const os::descriptor> listener_;
    std::optional<detail::recorded_name> path_;
    detail::managed::objects objects_;
    os::wait_set watched_;
    std::vector<int> answered_;
    std::unordered_map<int, connection_ptr> connections_;
    std::unordered_map<int, interest> last_interest_;
    std::deque<silence> silent_;
    std::optional<clock::time_point> accept_again_;
    bool has_warned_ = false;
    os::hopeful_spin spin_;
    bool busy_ = false;
};

}  // namespace managers
}  // namespace v0
}  // namespace multiprocessing
