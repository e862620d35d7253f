// SPDX-License-Identifier: BSL-1.0
// Messages between the ranks: bytes of any number, which MPI counts in an int, sent without waiting
// and received when they are there.
#pragma once

#include <mpi.h>
#include <boost/mpi/communicator.hpp>
#include <boost/mpi/exception.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <optional>
#include <span>
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

/// A message begins with a piece of at most 128 KiB, for which a receive is always open, so that
/// MPI puts it where it is looked for; further pieces are received where they belong.
/// @note One thread at a time. `close` comes before MPI ends. Requests are MPI's own: those of
/// Boost.MPI take memory for each message, which costs as much as a short one does.
class mailbox {
  public:
    struct incoming {
        int source = 0;
        letter what{};
        letter_header header;
    };

    /// @param ranks a communicator that nobody else uses
    /// @param rest another one of the same ranks
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
            spare_bytes_ -= message.size();
        }
        message.clear();
        message.append_value(letter_header{});
        return message;
    }
    /// Sends a message that `start` began. It is on its way when `sending` says so.
    void send(int to, letter what, letter_header header, heap_buffer message) {
        header.size = message.size();
        std::memcpy(message.data(), &header, sizeof header);
        const std::size_t first = std::min(first_piece, message.size());
        MPI_Request sent = begin_send(ranks_, to, what, message.bytes().first(first));
        if (first == message.size() && is_done(sent))
            return recycle(std::move(message));
        outgoing& left = outgoing_.emplace_back();
        left.message = std::move(message);
        left.pieces.push_back(sent);
        const std::span<const std::byte> bytes = left.message.bytes();
        for (std::size_t done = first; done < bytes.size(); done += piece)
            left.pieces.push_back(
                begin_send(rest_, to, letter::more,
                           bytes.subspan(done, std::min(piece, bytes.size() - done))));
    }
    /// Sends a message without a body.
    void send(int to, letter what, letter_header header = {}) { send(to, what, header, start()); }

    /// Lets MPI go on with what is being sent. @returns whether there is more to send
    bool sending() {
        for (auto sent = outgoing_.begin(); sent != outgoing_.end();) {
            int done = 0;
            BOOST_MPI_CHECK_RESULT(MPI_Testall, (static_cast<int>(sent->pieces.size()),
                                                 sent->pieces.data(), &done, MPI_STATUSES_IGNORE));
            if (done == 0) {
                ++sent;
                continue;
            }
            recycle(std::move(sent->message));
            sent = outgoing_.erase(sent);
        }
        return !outgoing_.empty();
    }

    /// Sends word ahead of all that was sent and not received: the next message is `stop`.
    void send_ahead(int to) { rest_.send(to, static_cast<int>(letter::stop)); }
    [[nodiscard]] bool has_ahead() const {
        return rest_.iprobe(0, static_cast<int>(letter::stop)).has_value();
    }
    void take_ahead() { rest_.recv(0, static_cast<int>(letter::stop)); }

    /// Takes the next message, if one is there: all of it, header and body.
    /// @param message its memory is used again
    /// @throws UnpicklingError when it is no message of ours
    std::optional<incoming> receive(heap_buffer& message) {
        if (receiving_ == MPI_REQUEST_NULL)
            open();
        MPI_Status status;
        if (!is_done(receiving_, &status))
            return std::nullopt;
        int first = 0;
        BOOST_MPI_CHECK_RESULT(MPI_Get_count, (&status, MPI_BYTE, &first));
        const std::span begin(first_.get(), static_cast<std::size_t>(first));
        incoming got;
        got.source = status.MPI_SOURCE;
        got.what = static_cast<letter>(status.MPI_TAG);
        if (begin.size() < sizeof got.header)
            throw UnpicklingError("mpi: a message without a header");
        std::memcpy(&got.header, begin.data(), sizeof got.header);
        if (begin.size() != std::min<std::size_t>(first_piece, got.header.size))
            throw UnpicklingError("mpi: a message of another size than it says");
        if (message.size() > most_kept)
            message = heap_buffer();  // it would be kept for ever
        message.clear();
        (void)message.reserve(got.header.size);
        message.append(begin.data(), begin.size());
        while (message.size() < got.header.size) {  // whoever sends it does nothing else
            const auto count = std::min<std::size_t>(piece, got.header.size - message.size());
            BOOST_MPI_CHECK_RESULT(
                MPI_Recv, (message.reserve(count), static_cast<int>(count), MPI_BYTE, got.source,
                           static_cast<int>(letter::more), rest_, MPI_STATUS_IGNORE));
            message.commit(count);
        }
        return got;
    }
    /// Receives nothing more.
    void close() {
        if (receiving_ == MPI_REQUEST_NULL)
            return;
        BOOST_MPI_CHECK_RESULT(MPI_Cancel, (&receiving_));
        BOOST_MPI_CHECK_RESULT(MPI_Wait, (&receiving_, MPI_STATUS_IGNORE));
    }
    /// Gives the memory of a message to those that come: new memory costs more than a copy.
    void recycle(heap_buffer message) {
        if (spare_bytes_ + message.size() > most_kept || spare_.size() == most_spare)
            return;
        spare_bytes_ += message.size();
        spare_.push_back(std::move(message));
    }

  private:
    struct outgoing {
        heap_buffer message;
        std::vector<MPI_Request> pieces;
    };

    static MPI_Request begin_send(const boost::mpi::communicator& over, int to, letter what,
                                  std::span<const std::byte> bytes) {
        MPI_Request begun = MPI_REQUEST_NULL;
        BOOST_MPI_CHECK_RESULT(MPI_Isend, (bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE,
                                           to, static_cast<int>(what), over, &begun));
        return begun;
    }
    static bool is_done(MPI_Request& begun, MPI_Status* status = MPI_STATUS_IGNORE) {
        int done = 0;
        BOOST_MPI_CHECK_RESULT(MPI_Test, (&begun, &done, status));
        return done != 0;
    }
    void open() {
        BOOST_MPI_CHECK_RESULT(MPI_Irecv, (first_.get(), static_cast<int>(first_piece), MPI_BYTE,
                                           MPI_ANY_SOURCE, MPI_ANY_TAG, ranks_, &receiving_));
    }

    static constexpr std::size_t first_piece = std::size_t{128} << 10;
    static constexpr std::size_t most_spare = 64;                    // messages
    static constexpr std::size_t most_kept = std::size_t{64} << 20;  // bytes

    boost::mpi::communicator ranks_, rest_;
    std::unique_ptr<std::byte[]> first_;  // where the next message begins
    MPI_Request receiving_ = MPI_REQUEST_NULL;
    std::list<outgoing> outgoing_;
    std::vector<heap_buffer> spare_;
    std::size_t spare_bytes_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
