// SPDX-License-Identifier: BSL-1.0
// A rank that carries out calls itself, one message after the other.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/mpi/mailbox.hpp>
#include <multiprocessing/mpi/packer.hpp>
#include <multiprocessing/os/spin.hpp>
#include <multiprocessing/pool/run_execution.hpp>
#include <multiprocessing/pool/run_sequence.hpp>
#include <multiprocessing/serialization/exception.hpp>
#include <multiprocessing/transport/channel.hpp>
#include <multiprocessing/transport/item_port.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The claims of a worker from which nobody takes work back, and an answer that is a letter.
class letter_port final : public item_port {
  public:
    letter_port() : item_port(answer_) { keep_claims_in(control_); }

    /// @param answer has its header
    void open(std::uint64_t number, std::uint64_t items, heap_buffer answer) noexcept {
        answer_ = std::move(answer);
        claim whole;
        whole.message = static_cast<std::uint32_t>(number);
        whole.limit = static_cast<std::uint32_t>(items);
        control_.claim.store(whole.pack(), std::memory_order_relaxed);
        start_items(number, slot_);
    }
    [[nodiscard]] heap_buffer take_answer() noexcept { return std::move(answer_); }

  private:
    channel_control control_{};
    result_header slot_;
    heap_buffer answer_;
};

class rank_worker {
  public:
    rank_worker(mailbox& box, std::string name)
        : box_(&box), state_{port_, std::move(name)}, runner_(state_) {}

    void take(const letter_header& header, heap_buffer& message) {
        // What came while this rank was busy for long may be wanted no more. To look for that each
        // time would cost as much as a short message.
        if (busy_ > long_enough && box_->has_ahead())
            return;
        const std::uint64_t begin = os::steady_nanoseconds();
        execute(header, message);
        busy_ = os::steady_nanoseconds() - begin;
        letter_header answer;
        answer.number = header.number;
        answer.items = header.items;
        answer.extra = busy_;
        box_->send(0, letter::answer, answer, port_.take_answer());
    }
    /// @returns whether it did something
    bool advance() noexcept { return false; }
    /// It has nothing to do.
    void rest(std::chrono::nanoseconds pause) { std::this_thread::sleep_for(pause); }
    void stop() noexcept {}

  private:
    void execute(const letter_header& header, const heap_buffer& message) {
        port_.open(header.number, header.items, box_->start());
        std::exception_ptr failure;
        try {
            // Where results have one size, the answer has its own from the start. Mostly there is
            // one run; if there are more, this is a guess, and may be far too much.
            input_cursor infos(message.bytes().subspan(header.extra));
            (void)port_.answer().reserve(std::min<std::uint64_t>(
                infos.read_value<run_info>().result_size * header.items, most_reserved));
            runner_.execute(header.items,
                            message.bytes().first(header.extra).subspan(sizeof header));
            return;
        } catch (...) {  // its own functions' exceptions are records: this is about the message
            failure = std::current_exception();
        }
        heap_buffer record;
        save_exception(record, failure, state_.name);
        append_padding(record);
        port_.open(header.number, header.items, box_->start());
        for (std::uint64_t i = 0; i < header.items; ++i) {
            port_.answer().append_value(record_word(record_kind::exception, record.size()));
            port_.answer().append(record.data(), record.size());
        }
    }

    static constexpr std::uint64_t long_enough = 1'000'000;
    static constexpr std::uint64_t most_reserved = std::uint64_t{64} << 20;

    mailbox* box_;
    std::uint64_t busy_ = 0;  // nanoseconds with the last message
    letter_port port_;
    worker_state state_;
    run_sequence runner_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
