// SPDX-License-Identifier: BSL-1.0
// Sockets and messages of ZeroMQ over ipc://, by its C interface.
#pragma once

#include <unistd.h>
#include <zmq.h>

#include <cstddef>
#include <string>

#include "timing.hpp"

namespace benchmark {

/// An address for ipc:// that leaves no file behind: an abstract one.
inline std::string fresh_address() {
    static int number = 0;
    return "ipc://@multiprocessing-benchmark-" + std::to_string(::getpid()) + "-" +
           std::to_string(number++);
}

/// Has threads: each process makes its own, after the fork. Ends when all was sent.
class ZmqContext {
  public:
    ZmqContext() = default;
    ZmqContext(const ZmqContext&) = delete;
    ZmqContext& operator=(const ZmqContext&) = delete;
    ~ZmqContext() { ::zmq_ctx_term(context_); }
    [[nodiscard]] void* get() const { return context_; }

  private:
    void* context_ = ::zmq_ctx_new();
};

class ZmqMessage {
  public:
    ZmqMessage() { ::zmq_msg_init(&message_); }
    ZmqMessage(const ZmqMessage&) = delete;
    ZmqMessage& operator=(const ZmqMessage&) = delete;
    ~ZmqMessage() { ::zmq_msg_close(&message_); }
    [[nodiscard]] const char* data() { return static_cast<const char*>(::zmq_msg_data(&message_)); }
    [[nodiscard]] std::size_t size() const { return ::zmq_msg_size(&message_); }
    [[nodiscard]] zmq_msg_t* get() { return &message_; }

  private:
    zmq_msg_t message_{};
};

class ZmqSocket {
  public:
    /// @param waiting how many messages may wait on each side
    ZmqSocket(const ZmqContext& context, int type, int waiting)
        : socket_(::zmq_socket(context.get(), type)) {
        require(socket_ != nullptr, "zmq_socket");
        set(ZMQ_SNDHWM, waiting);
        set(ZMQ_RCVHWM, waiting);
        set(ZMQ_RECONNECT_IVL, 1);  // who connects may be earlier than who binds
        set(ZMQ_RCVTIMEO, patience);
        set(ZMQ_SNDTIMEO, patience);
        set(ZMQ_LINGER, patience);
    }
    ZmqSocket(const ZmqSocket&) = delete;
    ZmqSocket& operator=(const ZmqSocket&) = delete;
    ~ZmqSocket() { ::zmq_close(socket_); }

    void bind(const std::string& address) {
        require(::zmq_bind(socket_, address.c_str()) == 0, "zmq_bind");
    }
    void connect(const std::string& address) {
        require(::zmq_connect(socket_, address.c_str()) == 0, "zmq_connect");
    }
    void send(const void* bytes, std::size_t size) {
        require(::zmq_send(socket_, bytes, size, 0) == static_cast<int>(size), "zmq_send");
    }
    /// Receives a message into memory of the caller's, who knows its size.
    void receive(void* bytes, std::size_t size) {
        require(::zmq_recv(socket_, bytes, size, 0) == static_cast<int>(size), "zmq_recv");
    }
    /// Receives a message of any size, without a copy of its bytes.
    void receive(ZmqMessage& message) {
        require(::zmq_msg_recv(message.get(), socket_, 0) >= 0, "zmq_msg_recv");
    }

  private:
    static constexpr int patience = 20'000;  // in ms; then something is wrong

    void set(int option, int value) {
        require(::zmq_setsockopt(socket_, option, &value, sizeof value) == 0, "zmq_setsockopt");
    }
    void* socket_;
};

}  // namespace benchmark
