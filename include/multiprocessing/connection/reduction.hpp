// SPDX-License-Identifier: BSL-1.0
// Open files on their way to other processes: DupFd, send_handle, recv_handle.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include <multiprocessing/connection/connection.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/memory/tracker.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace reduction {

/// A file descriptor that can be sent to another process, as an argument, a result or through a
/// connection, by every start method. Copies name the same descriptor.
/// @par Python `multiprocessing.reduction.DupFd`
class DupFd {
  public:
    using multiprocessing_handle = void;

    /// Holds none.
    DupFd() = default;
    /// @param fd of which a duplicate is taken; it stays its owner's
    /// @throws std::system_error when it is not open, or no other one can be had
    explicit DupFd(int fd) : kept_(std::make_shared<kept>(os::duplicate(fd))) {}

    /// Gives the descriptor away.
    /// @returns a descriptor that the caller must close; closed on exec
    /// @throws ValueError when it holds none, or another copy has given it away
    [[nodiscard]] int detach() const {
        const int fd = kept_ ? kept_->fd.exchange(-1) : -1;
        if (fd < 0)
            throw ValueError("DupFd.detach: there is no descriptor");
        return fd;
    }

    /// @throws PicklingError when it holds no descriptor; ProcessError when there is no tracker
    /// @throws UnpicklingError when it was received before: bytes stand for one arrival
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        detail::descriptor_ticket ticket;
        if constexpr (Archive::is_saving::value) {
            const int fd = kept_ ? kept_->fd.load() : -1;
            if (fd < 0)
                throw PicklingError("pickling: a DupFd that holds no descriptor");
            ticket = detail::deposit_descriptor(fd);
        }
        archive& ticket;
        if constexpr (Archive::is_loading::value)
            kept_ = std::make_shared<kept>(detail::withdraw_descriptor(ticket));
    }

  private:
    struct kept {
        explicit kept(os::descriptor owned) noexcept : fd(owned.release()) {}
        kept(const kept&) = delete;
        kept& operator=(const kept&) = delete;
        ~kept() { const os::descriptor last(fd.load()); }

        std::atomic<int> fd;
    };
    std::shared_ptr<kept> kept_;
};

/// Sends a duplicate of a descriptor.
/// @throws as Connection::send; std::system_error when the descriptor is not open
/// @par Python `multiprocessing.reduction.send_handle`, which must be told the receiver
inline void send_handle(const Connection& connection, int fd) {
    connection.send(DupFd(fd));
}

/// Receives a descriptor.
/// @returns a descriptor that the caller must close; closed on exec
/// @throws UnpicklingError when the message is no descriptor; else as Connection::recv
/// @par Python `multiprocessing.reduction.recv_handle`
[[nodiscard]] inline int recv_handle(const Connection& connection) {
    return connection.recv<DupFd>().detach();
}

}  // namespace reduction
}  // namespace v0
}  // namespace multiprocessing
