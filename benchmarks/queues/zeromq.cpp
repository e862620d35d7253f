// SPDX-License-Identifier: BSL-1.0
// The same items by ZeroMQ: a PUSH socket to a PULL socket over ipc://, one pair a direction.
#include <cstdint>
#include <vector>

#include "../support/zeromq.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

double items(std::size_t bytes, int count) {
    const std::string address = fresh_address();
    const int waiting = waiting_items(bytes);
    // Until then the producer's socket stays open: a PULL socket whose queue is full when the other
    // side closes drops what it has not read yet.
    const multiprocessing::Event received;
    return beside(
        [&] {
            const ZmqContext context;
            ZmqSocket socket(context, ZMQ_PUSH, waiting);
            socket.connect(address);
            put_items(bytes, count, [&](const std::vector<char>& item) {
                socket.send(item.data(), item.size());
            });
            received.wait();
        },
        [&] {
            const ZmqContext context;
            ZmqSocket socket(context, ZMQ_PULL, waiting);
            socket.bind(address);
            ZmqMessage message;
            const double time = get_items(bytes, count, [&]() -> ZmqMessage& {
                socket.receive(message);
                return message;
            });
            received.set();
            return time;
        });
}

void put_number(ZmqSocket& socket, std::int64_t number) {
    socket.send(&number, sizeof number);
}

std::int64_t get_number(ZmqSocket& socket) {
    std::int64_t number = 0;
    socket.receive(&number, sizeof number);
    return number;
}

void latency(const Options& options) {
    const std::string there_address = fresh_address();
    const std::string back_address = fresh_address();
    const int waiting = waiting_items(sizeof(std::int64_t));
    beside(
        [&] {
            const ZmqContext context;
            ZmqSocket there(context, ZMQ_PULL, waiting);
            ZmqSocket back(context, ZMQ_PUSH, waiting);
            there.connect(there_address);
            back.connect(back_address);
            echo([&] { return get_number(there); },
                 [&](std::int64_t number) { put_number(back, number); });
        },
        [&] {
            const ZmqContext context;
            ZmqSocket there(context, ZMQ_PUSH, waiting);
            ZmqSocket back(context, ZMQ_PULL, waiting);
            there.bind(there_address);
            back.bind(back_address);
            report_latency(options, [&](std::int64_t number) {
                put_number(there, number);
                return get_number(back);
            });
            return 0;
        });
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    measure_items(options, items);
    if (options.wants("latency"))
        latency(options);
}
