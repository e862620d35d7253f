// SPDX-License-Identifier: BSL-1.0
// Messages between the ranks: bytes of any number, which MPI counts in an int, sent without waiting
// and received when they are there.
#pragma once

#include <boost/mpi/communicator.hpp>
#include <boost/mpi/request.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What a message is, as MPI's tag says.
enum class letter : int {
    task = 1,  // rank 0 to a rank: calls to carry out
    stop,      // rank 0 to a rank: no more calls; sent ahead, too: those not begun are not wanted
    ready,     // a rank to rank 0: its initializer is done
    failed,    // a rank to rank 0: it carries out nothing; an exception says why
    answer,    // a rank to rank 0: the records of one task message
    bye,       // a rank to rank 0: its last message
    more,      // a further piece of the message before
};

/// What every message begins with.
struct letter_header {
    std::uint64_t size = 0;    // of the whole message
    std::uint64_t number = 0;  // of the task message, from 1 on for each rank
    std::uint64_t items = 0;
    std::uint64_t extra = 0;  // of a task: where its run_infos begin; of an answer: nanoseconds
};
static_assert(sizeof(letter_header) == 32);

/// A message begins with a piece of at most 16 KiB, for which a receive is always open, so that MPI
/// puts it where it is looked for; further pieces are received where they belong.
/// @note One thread at a time. `close` comes before MPI ends.
class mailbox {
  public:
    struct incoming {
        int source = 0;
        letter what{};
        letter_header header;
    };

    /// @param ranks, rest two communicators of the same ranks that nobody else uses
    mailbox(boost::mpi::communicator ranks, boost::mpi::communicator rest)
        : ranks_(std::move(ranks)),
          rest_(std::move(rest)),
          first_(std::make_unique<std::byte[]>(first_piece)) {}

    [[nodiscard]] int size() const { return ranks_.size(); }

    /// So many bytes of the rest are sent at once: MPI counts them in an int. The same in all
    /// ranks. Tests make it small.
    inline static std::size_t piece = std::size_t{1} << 30;

    /// @returns a buffer with room for the header, which `send` fills in
    [[nodiscard]] heap_buffer start() {
        heap_buffer message;
        if (!spare_.empty()) {
            message = std::move(spare_.back());
            spare_.pop_back();
        }
        message.clear();
        message.append_value(letter_header{});
        return message;
    }
    /// Sends a message that `start` began. It is on its way when `sending` says so.
    void send(int to, letter what, letter_header header, heap_buffer message) {
        header.size = message.size();
        std::memcpy(message.data(), &header, sizeof header);
        outgoing& sent = outgoing_.emplace_back();
        sent.message = std::move(message);
        const auto* const bytes = reinterpret_cast<const char*>(sent.message.data());
        const std::size_t first = std::min<std::size_t>(first_piece, header.size);
        sent.pieces.push_back(
            ranks_.isend(to, static_cast<int>(what), bytes, static_cast<int>(first)));
        for (std::size_t done = first; done < header.size; done += piece) {
            const auto count = static_cast<int>(std::min<std::size_t>(piece, header.size - done));
            sent.pieces.push_back(
                rest_.isend(to, static_cast<int>(letter::more), bytes + done, count));
        }
        (void)sending();
    }
    /// Sends a message without a body.
    void send(int to, letter what, letter_header header = {}) { send(to, what, header, start()); }

    /// Lets MPI go on with what is being sent. @returns whether there is more to send
    bool sending() {
        for (auto sent = outgoing_.begin(); sent != outgoing_.end();) {
            std::erase_if(sent->pieces, [](auto& part) { return part.test().has_value(); });
            if (!sent->pieces.empty()) {
                ++sent;
                continue;
            }
            recycle(std::move(sent->message));
            sent = outgoing_.erase(sent);
        }
        return !outgoing_.empty();
    }

    /// Sends word ahead of all that was sent and not received: the next message is `stop`.
    void send_ahead(int to) { rest_.isend(to, static_cast<int>(letter::stop)).wait(); }
    [[nodiscard]] bool has_ahead() const {
        return rest_.iprobe(0, static_cast<int>(letter::stop)).has_value();
    }
    void take_ahead() { rest_.recv(0, static_cast<int>(letter::stop)); }

    /// Takes the next message, if one is there: all of it, header and body.
    /// @throws UnpicklingError when it is no message of ours
    std::optional<incoming> receive(heap_buffer& message) {
        if (!std::exchange(open_, true))
            open();
        const auto done = receiving_.test();
        if (!done)
            return std::nullopt;
        open_ = false;
        incoming got;
        got.source = done->source();
        got.what = static_cast<letter>(done->tag());
        const auto first = static_cast<std::size_t>(done->count<char>().value_or(0));
        if (first < sizeof got.header)
            throw UnpicklingError("mpi: a message without a header");
        std::memcpy(&got.header, first_.get(), sizeof got.header);
        if (first != std::min<std::size_t>(first_piece, got.header.size))
            throw UnpicklingError("mpi: a message of another size than it says");
        message.clear();
        (void)message.reserve(got.header.size);
        message.append(first_.get(), first);
        while (message.size() < got.header.size) {  // whoever sends it does nothing else
            const auto count = std::min<std::size_t>(piece, got.header.size - message.size());
            rest_.recv(got.source, static_cast<int>(letter::more),
                       reinterpret_cast<char*>(message.reserve(count)), static_cast<int>(count));
            message.commit(count);
        }
        return got;
    }
    /// Receives nothing more.
    void close() {
        if (!std::exchange(open_, false))
            return;
        receiving_.cancel();
        receiving_.wait();
    }
    /// Gives the memory of a message to those that come.
    void recycle(heap_buffer message) {
        // A large one would be kept for ever.
        if (spare_.size() < most_spare && message.size() <= largest_spare)
            spare_.push_back(std::move(message));
    }

  private:
    struct outgoing {
        heap_buffer message;
        std::vector<boost::mpi::request> pieces;  // that are not on their way
    };

    void open() {
        receiving_ = ranks_.irecv(boost::mpi::any_source, boost::mpi::any_tag,
                                  reinterpret_cast<char*>(first_.get()), first_piece);
    }

    static constexpr int first_piece = 16 << 10;
    static constexpr std::size_t most_spare = 64, largest_spare = std::size_t{1} << 16;

    boost::mpi::communicator ranks_, rest_;
    std::unique_ptr<std::byte[]> first_;  // where the next message begins
    boost::mpi::request receiving_;
    bool open_ = false;  // receiving_ is under way
    std::list<outgoing> outgoing_;
    std::vector<heap_buffer> spare_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
