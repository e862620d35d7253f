// SPDX-License-Identifier: BSL-1.0
// The claim record and what a recall leaves with the worker.
#include "support/catch.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <multiprocessing/transport/worker_link.hpp>
#include <multiprocessing/transport/worker_port.hpp>

namespace {

namespace os = multiprocessing::os;
using namespace multiprocessing::detail;

/// A link and, in the same process, the port of its worker.
struct channel {
    os::descriptor memory = os::create_memory("test pool", pool_control::task_arena);
    os::event waiter, dispatcher;
    worker_link link;
    worker_port port;

    channel()
        : port(worker_descriptors{duplicate(link.channel()), duplicate(link.bell()),
                                  prepared(memory), duplicate(waiter.fd()),
                                  duplicate(dispatcher.fd())},
               std::chrono::nanoseconds(0)) {}

    static os::descriptor duplicate(int fd) {
        return os::descriptor(os::check(::fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl"));
    }
    static os::descriptor prepared(const os::descriptor& memory) {
        os::allocate(memory.get(), 0, sizeof(pool_control));
        return memory.duplicate();
    }
    void send(std::uint64_t items) {
        task_header header;
        header.number = link.next_number();
        header.items = items;
        REQUIRE(link.try_send(std::as_bytes(std::span(&header, 1))));
    }
    worker_port::message receive() {
        worker_port::message open;
        REQUIRE(port.receive(open));
        return open;
    }
    void answer_all(std::uint64_t items) {
        for (std::uint64_t i = 0; i < items; ++i) {
            port.begin_item(i, false);
            port.answer().append_value(record_word(record_kind::block, 1));
            port.answer().append_value(i);
            port.finish_items(i + 1);
        }
        port.send_answer();
    }
};

}  // namespace

TEST_CASE("claim: packing keeps every field", "[transport]") {
    claim c;
    c.message = 0xabcdef;
    c.next = claim::max_items;
    c.limit = claim::max_items - 1;
    c.recalls = 9;
    const claim back = claim::unpack(c.pack());
    REQUIRE(back.message == c.message);
    REQUIRE(back.next == c.next);
    REQUIRE(back.limit == c.limit);
    REQUIRE(back.recalls == c.recalls);
    REQUIRE(back.is((std::uint64_t{7} << claim::message_bits) + 0xabcdef));
    REQUIRE_FALSE(back.is(0xabcdee));
}

TEST_CASE("worker_port: claims items up to the message's end, and no more", "[transport]") {
    channel c;
    c.send(5);
    REQUIRE(c.receive().items == 5);
    REQUIRE(c.port.claim_items(2) == 2);
    REQUIRE(c.port.claim_items(10) == 3);
    REQUIRE(c.port.claim_items(1) == 0);
}

TEST_CASE("recall: takes back what was not claimed of the open message, and all later ones",
          "[transport]") {
    channel c;
    c.send(5);
    c.send(3);
    c.receive();
    REQUIRE(c.port.claim_items(2) == 2);
    const auto kept = c.link.recall(1);
    REQUIRE(kept.number == 1);
    REQUIRE(kept.items == 2);
    REQUIRE(c.port.claim_items(1) == 0);
    c.answer_all(2);
    c.send(1);  // the second message is skipped
    REQUIRE(c.receive().number == 3);
}

TEST_CASE("recall: of messages that were not opened leaves nothing", "[transport]") {
    channel c;
    c.send(4);
    const auto kept = c.link.recall(1);
    REQUIRE(kept.number == 0);
    c.send(1);
    REQUIRE(c.receive().number == 2);
}

TEST_CASE("recall: of an answered message finds it complete", "[transport]") {
    channel c;
    c.send(2);
    c.receive();
    REQUIRE(c.port.claim_items(2) == 2);
    c.answer_all(2);
    c.send(2);
    const auto kept = c.link.recall(1);
    REQUIRE(kept.number == 1);
    REQUIRE(kept.items == 2);
}

TEST_CASE("claim and recall against each other: every item belongs to exactly one side",
          "[transport]") {
    for (int round = 0; round < 300; ++round) {
        channel c;
        constexpr std::uint64_t items = 200;
        c.send(items);
        std::atomic<bool> go{false};
        std::uint64_t claimed = 0;
        std::thread worker([&] {
            worker_port::message open;
            c.port.receive(open);
            go = true;
            while (const std::uint32_t got = c.port.claim_items(3))
                claimed += got;
        });
        while (!go)
            std::this_thread::yield();
        for (int i = 0; i < round; ++i)
            os::relax();
        const auto kept = c.link.recall(1);
        worker.join();
        REQUIRE(kept.number == 1);
        REQUIRE(kept.items == claimed);
    }
}

TEST_CASE("staged: the finished items of an open message can be read before it is answered",
          "[transport]") {
    channel c;
    std::vector<std::byte> copy;
    c.send(3);
    c.receive();
    REQUIRE_FALSE(c.link.staged(1, 0, copy));
    c.port.claim_items(3);
    c.port.begin_item(0, false);
    c.port.answer().append_value(std::uint64_t{42});
    c.port.finish_items(1);
    c.port.answer().append_value(std::uint64_t{43});  // of an item that is not finished
    const auto found = c.link.staged(1, 0, copy);
    REQUIRE(found);
    REQUIRE(found->items == 1);
    REQUIRE(found->records.size() == 8);
    REQUIRE_FALSE(c.link.staged(1, 1, copy));  // nothing new
}

TEST_CASE("staged: finished items are found where a long answer moved", "[transport]") {
    channel c;
    std::vector<std::byte> copy;
    c.send(2);
    c.receive();
    c.port.claim_items(2);
    const std::vector<std::byte> large(100'000, std::byte{7});
    c.port.answer().append(large.data(), large.size());
    c.port.finish_items(1);
    const auto found = c.link.staged(1, 0, copy);
    REQUIRE(found);
    REQUIRE(found->records.size() == large.size());
    REQUIRE(found->records.back() == std::byte{7});
}

TEST_CASE("answers: small ones come through the queue, large ones through the arena, in order",
          "[transport]") {
    channel c;
    for (std::uint64_t number = 1; number <= 40; ++number) {
        const std::size_t size = number % 2 == 0 ? 64 : 1'000'000;
        c.send(1);
        REQUIRE(c.receive().number == number);
        c.port.claim_items(1);
        const std::vector<std::byte> body(size, std::byte(number));
        c.port.answer().append(body.data(), body.size());
        c.port.finish_items(1);
        c.port.send_answer();
        REQUIRE(c.link.has_answer());
        const auto got = c.link.receive();
        REQUIRE(got);
        REQUIRE(got->number == number);
        REQUIRE(std::equal(body.begin(), body.end(), got->records.begin(), got->records.end()));
        c.link.release_answer();
    }
}

TEST_CASE("gate: one side is inside at a time, and the other is refused at once", "[transport]") {
    queue_gate gate{};
    REQUIRE(gate.try_enter());
    REQUIRE_FALSE(gate.try_enter());
    gate.leave();
    REQUIRE(gate.try_enter());
}

TEST_CASE("message_queue: a full queue has no room until a message is received", "[transport]") {
    channel c;
    for (std::size_t i = 0; i < channel_layout::slots; ++i)
        c.send(1);
    REQUIRE_FALSE(c.link.has_room());
    c.receive();
    REQUIRE(c.link.has_room());
}
