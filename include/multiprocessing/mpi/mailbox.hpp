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
    stop,      // rank 0 to a rank: no more calls, those not begun are not wanted; number: of tasks
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

/// @note One thread at a time.
class mailbox {
  public:
    struct incoming {
        int source = 0;
        letter what{};
        letter_header header;
    };

    explicit mailbox(boost::mpi::communicator ranks) : ranks_(std::move(ranks)) {}

    [[nodiscard]] int rank() const { return ranks_.rank(); }
    [[nodiscard]] int size() const { return ranks_.size(); }

    /// So many bytes are sent at once, at least sizeof(letter_header): MPI counts them in an int.
    /// The same in all ranks. Tests make it small.
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
        for (std::size_t done = 0; done < header.size; done += piece) {
            const auto tag = static_cast<int>(done == 0 ? what : letter::more);
            const auto count = static_cast<int>(std::min<std::size_t>(piece, header.size - done));
            sent.pieces.push_back(ranks_.isend(to, tag, bytes + done, count));
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

    /// Whether a message of this kind is there.
    [[nodiscard]] bool has(letter what) const {
        return ranks_.iprobe(boost::mpi::any_source, static_cast<int>(what)).has_value();
    }
    /// Takes the next message, if one is there: all of it, header and body.
    /// @throws UnpicklingError when it is no message of ours
    std::optional<incoming> receive(heap_buffer& message) {
        const auto found = ranks_.iprobe(boost::mpi::any_source, boost::mpi::any_tag);
        if (!found)
            return std::nullopt;
        incoming got;
        got.source = found->source();
        got.what = static_cast<letter>(found->tag());
        const auto count = found->count<char>();
        message.clear();
        take(got.source, found->tag(), static_cast<std::size_t>(count.value_or(0)), message);
        if (message.size() < sizeof got.header)
            throw UnpicklingError("mpi: a message without a header");
        std::memcpy(&got.header, message.data(), sizeof got.header);
        const std::size_t whole = got.header.size;
        if (whole < message.size() || (whole != message.size() && message.size() != piece))
            throw UnpicklingError("mpi: a message of another size than it says");
        if (whole > message.size())
            (void)message.reserve(whole - message.size());
        while (message.size() < whole)  // whoever sends them does nothing else
            take(got.source, static_cast<int>(letter::more),
                 std::min<std::size_t>(piece, whole - message.size()), message);
        return got;
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

    void take(int source, int tag, std::size_t count, heap_buffer& message) {
        ranks_.recv(source, tag, reinterpret_cast<char*>(message.reserve(count)),
                    static_cast<int>(count));
        message.commit(count);
    }

    static constexpr std::size_t most_spare = 64, largest_spare = std::size_t{1} << 16;

    boost::mpi::communicator ranks_;
    std::list<outgoing> outgoing_;
    std::vector<heap_buffer> spare_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
