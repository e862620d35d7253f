// SPDX-License-Identifier: BSL-1.0
// One end of a connection as bytes: whole messages go out and come in, whichever threads ask.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <multiprocessing/connection/frame.hpp>
#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/fork_safe_lock.hpp>
#include <multiprocessing/os/hopeful_spin.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/stream_socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What all copies of a Connection share. All members may be called by any thread.
///
/// Waiting: a call first tries, to receive for a moment, and polls only when that would block. The
/// socket has no timeout of its own and stays in blocking mode, because other processes may use it
/// too.
class connection_end {
  public:
    /// @param fd a connected stream socket
    connection_end(os::descriptor fd, bool readable, bool writable)
        : owner_(std::make_shared<const os::descriptor>(std::move(fd))),
          fd_(owner_->get()),
          readable_(readable),
          writable_(writable) {}
    connection_end(const connection_end&) = delete;
    connection_end& operator=(const connection_end&) = delete;

    [[nodiscard]] bool closed() const noexcept { return closed_; }
    [[nodiscard]] bool readable() const noexcept { return readable_; }
    [[nodiscard]] bool writable() const noexcept { return writable_; }

    /// @throws ValueError when it is closed
    [[nodiscard]] int fileno() const {
        require_open();
        return fd_;
    }

    /// The descriptor, which stays open as long as somebody holds it.
    /// @throws ValueError when it is closed
    [[nodiscard]] std::shared_ptr<const os::descriptor> keep() const {
        const std::scoped_lock lock(owning_);
        require_open();
        return owner_;
    }

    /// Calls that other threads are in end first, within a slice.
    void close() noexcept {
        if (closed_.exchange(true))
            return;
        const std::scoped_lock both(sending_, receiving_);
        const std::scoped_lock lock(owning_);
        owner_.reset();
    }

    /// Whether there is something to receive, the end of the stream included.
    [[nodiscard]] bool poll(Deadline deadline) const {
        for (;;) {
            require_readable();
            check_interrupt();
            if (os::poll_readable(fd_, deadline.remaining())) {
                require_readable();  // closed meanwhile, the descriptor is nobody's or another's
                return true;
            }
            if (deadline.expired())
                return false;
        }
    }

    /// Sends one message.
    /// @throws EOFError when the other end is closed; ValueError; KeyboardInterrupt; TimeoutError
    ///     when the deadline passes
    void send(std::span<const std::byte> message, Deadline deadline = Deadline()) {
        const std::unique_lock lock = take(sending_, deadline);
        require_open();
        if (!writable_)
            throw ValueError("Connection: this end does not send");
        const frame_header header(message.size());
        std::span<const std::byte> head = header.bytes();
        int transfers = 0;
        try {
            while (!head.empty() || !message.empty()) {
                if (++transfers > short_message)
                    pause(deadline);
                const os::transfer sent = os::send_some(fd_, head, message);
                if (sent.state == os::transfer_state::closed)
                    throw EOFError("connection: the other end is closed");
                if (sent.state == os::transfer_state::would_block) {
                    pause(deadline);
                    os::poll_writable(fd_, deadline.remaining());
                    continue;
                }
                const std::size_t from_head = std::min(sent.size, head.size());
                head = head.subspan(from_head);
                message = message.subspan(sent.size - from_head);
            }
        } catch (...) {
            // What follows half a message would be taken for its other half.
            if (head.size() != header.bytes().size()) {
                writable_ = false;
                os::shut_down_sending(fd_);
            }
            throw;
        }
    }

    /// Receives one message: calls `take_body(length, source)`, which must read that many bytes
    /// from the source, or throw.
    /// @throws EOFError when the other end is closed; std::system_error (EMSGSIZE); ValueError;
    ///     KeyboardInterrupt; TimeoutError when the deadline passes
    template <class TakeBody>
    void receive(TakeBody take_body, Deadline deadline = Deadline()) {
        const std::unique_lock lock = take(receiving_, deadline);
        require_readable();
        bool begun = false;
        int transfers = 0;
        const auto source = [&](std::span<std::byte> target) {
            if (++transfers > short_message)
                pause(deadline);
            const std::size_t got = receive_some(target, deadline);
            begun = begun || got > 0;
            return got;
        };
        try {
            const std::uint64_t length = detail::read_length(source);
            take_body(length, source);
        } catch (const EOFError&) {
            throw;
        } catch (...) {
            // Where the next message begins is unknown.
            if (begun)
                readable_ = false;
            throw;
        }
    }

  private:
    void require_open() const {
        if (closed_)
            throw ValueError("Connection: it is closed");
    }
    void require_readable() const {
        require_open();
        if (!readable_)
            throw ValueError("Connection: this end does not receive");
    }

    // A message that takes more transfers looks between them, as before a wait, whether it shall
    // go on: the other side may never let it wait.
    static constexpr int short_message = 4;

    /// Before every wait.
    void pause(const Deadline& deadline) const {
        require_open();
        check_interrupt();
        if (deadline.expired())
            throw TimeoutError("connection: the other end took too long");
    }
    std::unique_lock<os::fork_safe_lock> take(os::fork_safe_lock& lock, const Deadline& deadline) {
        while (!lock.try_lock_for(deadline.remaining()))
            pause(deadline);
        return {lock, std::adopt_lock};
    }
    std::size_t receive_some(std::span<std::byte> target, const Deadline& deadline) {
        os::transfer got;
        const auto take = [&] {
            got = os::receive_some(fd_, target);
            return got.state != os::transfer_state::would_block;
        };
        while (!spin_(take, deadline.remaining())) {
            pause(deadline);
            os::poll_readable(fd_, deadline.remaining());
        }
        return got.size;
    }

    mutable os::fork_safe_lock owning_;  // guards owner_ against close()
    std::shared_ptr<const os::descriptor> owner_;
    const int fd_;
    std::atomic<bool> closed_{false};
    std::atomic<bool> readable_;
    std::atomic<bool> writable_;
    os::fork_safe_lock sending_;
    os::fork_safe_lock receiving_;
    os::hopeful_spin spin_;  // guarded by receiving_
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
