// SPDX-License-Identifier: BSL-1.0
// The worker's view of a run: the arguments of one item after the other, and where results go.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/os/fork_count.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/serialization/exception.hpp>
#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/transport/item_port.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What stays the same in a worker from message to message.
struct worker_state {
    item_port& port;
    std::string name;
    void* bound = nullptr;  // the pool's own function, for Pool<F>
    os::fork_mark mark{};
};

/// Executes the items of one run. A thunk calls `next()`, reads the arguments from `arguments()`,
/// calls the function and ends the item with `value`, `nothing` or `exception`.
class run_execution {
  public:
    run_execution(worker_state& worker, const run_header& header,
                  std::span<const std::byte> function, input_cursor& items, std::uint64_t index)
        : worker_(&worker),
          header_(header),
          function_(function),
          items_(&items),
          index_(index),
          left_(header.items) {}

    [[nodiscard]] void* bound() const noexcept { return worker_->bound; }
    [[nodiscard]] input_cursor function() const noexcept { return input_cursor(function_); }
    /// The index in the message of the item after the last one that was executed.
    [[nodiscard]] std::uint64_t index() const noexcept { return index_; }

    /// Goes on to the next item.
    /// @returns false when the run is done, or the parent took the rest back
    bool next() {
        if (left_ == 0 || (claimed_ == 0 && !claim_more()))
            return false;
        --claimed_;
        --left_;
        worker_->port.begin_item(index_, header_.timeout != 0);
        const std::uint64_t size =
            header_.item_size != 0 ? header_.item_size : items_->read_value<std::uint64_t>();
        arguments_ = input_cursor({items_->take(size), size});
        if (header_.item_size == 0)
            items_->take(padding(size));
        return true;
    }
    [[nodiscard]] input_cursor& arguments() noexcept { return arguments_; }

    /// Claimed items whose arguments stand in a row, and where their results go.
    struct block {
        const std::byte* arguments = nullptr;
        std::byte* results = nullptr;
        std::uint32_t items = 0;
        item_port::item_progress progress;

        explicit operator bool() const noexcept { return items != 0; }
    };
    /// For runs of items and results of fixed size: claims several items and takes their places.
    /// Then call `progress.begin` before each, and `end_block` behind the last one done; an item
    /// that throws is begun, not counted, and ended with `exception`.
    /// @returns a block of no items when the run is done, or the parent took the rest back
    block next_block(std::uint64_t result_size) {
        block given;
        if (left_ == 0 || (claimed_ == 0 && !claim_more()))
            return given;
        output_buffer& answer = worker_->port.answer();
        open_block(answer);
        given.items = claimed_;
        given.progress = worker_->port.begin_items(index_);
        if (header_.timeout != 0)
            worker_->port.start_clock();
        given.arguments = items_->take(header_.item_size * std::uint64_t{claimed_});
        given.results = answer.reserve(result_size * claimed_);
        // More than is true until the items are done, which is what counts for a reader.
        set_block_count(answer, block_count_ + claimed_);
        worker_->port.cover(answer.size() + result_size * claimed_);
        return given;
    }
    void end_block(const block& given, std::uint32_t done, std::uint64_t result_size) {
        output_buffer& answer = worker_->port.answer();
        answer.commit(done * result_size);
        block_count_ += done;
        set_block_count(answer, block_count_);
        index_ += done;
        left_ -= done;
        claimed_ = given.items - done;
        if (claimed_ != 0) {  // the next one threw: it and those behind it are still to be ended
            --claimed_;
            --left_;
            items_->back(header_.item_size * std::uint64_t{claimed_});
        }
        worker_->port.finish_items(index_);
    }

    template <class R>
    void value(const R& result) {
        leave_if_forked();
        output_buffer& answer = worker_->port.answer();
        if constexpr (bitwise<R>) {
            open_block(answer);
            detail::save(answer, result);
            count_in_block(answer);
        } else {
            close_block(answer);
            const std::size_t at = begin_record(answer);
            try {
                detail::save(answer, result);
            } catch (const std::exception& error) {
                answer.truncate(at);
                exception(std::make_exception_ptr(
                    PicklingError(std::string("the result cannot be pickled: ") + error.what())));
                return;
            } catch (...) {
                answer.truncate(at);
                exception(std::make_exception_ptr(
                    PicklingError("the result cannot be pickled: an unknown exception")));
                return;
            }
            end_record(answer, at, record_kind::value);
        }
        finish();
    }
    /// Ends the item of a function that returns void.
    void nothing() {
        leave_if_forked();
        output_buffer& answer = worker_->port.answer();
        open_block(answer);
        answer.append_value(std::uint8_t{0});
        count_in_block(answer);
        finish();
    }
    void exception(const std::exception_ptr& error) {
        leave_if_forked();
        output_buffer& answer = worker_->port.answer();
        close_block(answer);
        const std::size_t at = begin_record(answer);
        save_exception(answer, error, worker_->name);
        end_record(answer, at, record_kind::exception);
        finish();
    }

    /// A task that forked and returned twice: the copy is not the worker, and ends here, before it
    /// touches what the worker shares with the parent.
    void leave_if_forked() const noexcept {
        if (worker_->mark.forked()) [[unlikely]]
            os::end_process(1);
    }

    /// Ends the run; the records of the next one begin aligned.
    void end() { close_block(worker_->port.answer()); }

  private:
    // Short items of one chunk are claimed together, so that claiming costs less than they do. Not
    // those with a time limit: an item that waits behind one that is killed must not have begun.
    bool claim_more() {
        const bool together = header_.chunk > 1 && header_.timeout == 0;
        const std::uint64_t now = together ? os::steady_nanoseconds() : 0;
        if (together) {
            const std::uint64_t elapsed = now - claimed_at_;
            if (elapsed < 2'000)
                claim_size_ = std::min<std::uint32_t>(claim_size_ * 2, 64);
            else if (elapsed > 10'000)
                claim_size_ = std::max<std::uint32_t>(claim_size_ / 2, 1);
            claimed_at_ = now;
        }
        const auto most = static_cast<std::uint32_t>(
            together ? std::min({std::uint64_t{claim_size_}, std::uint64_t{header_.chunk}, left_})
                     : 1);
        claimed_ = worker_->port.claim_items(most);
        return claimed_ != 0;
    }

    void finish() { worker_->port.finish_items(++index_); }

    void open_block(output_buffer& answer) {
        if (block_at_ != no_block)
            return;
        block_at_ = answer.size();
        block_count_ = 0;
        answer.append_value(record_word(record_kind::block, 0));
    }
    void count_in_block(output_buffer& answer) noexcept { set_block_count(answer, ++block_count_); }
    void set_block_count(output_buffer& answer, std::uint64_t count) const noexcept {
        const std::uint64_t word = record_word(record_kind::block, count);
        std::memcpy(answer.data() + block_at_, &word, sizeof word);
    }
    void close_block(output_buffer& answer) {
        if (block_at_ == no_block)
            return;
        if (block_count_ == 0)
            answer.truncate(block_at_);
        else
            append_padding(answer);
        block_at_ = no_block;
    }
    static std::size_t begin_record(output_buffer& answer) {
        const std::size_t at = answer.size();
        answer.append_value(std::uint64_t{0});
        return at;
    }
    static void end_record(output_buffer& answer, std::size_t at, record_kind kind) {
        const std::uint64_t word = record_word(kind, answer.size() - at - sizeof word);
        std::memcpy(answer.data() + at, &word, sizeof word);
        append_padding(answer);
    }

    static constexpr std::size_t no_block = ~std::size_t{0};

    worker_state* worker_;
    run_header header_;
    std::span<const std::byte> function_;
    input_cursor* items_;
    input_cursor arguments_;
    std::uint64_t index_;
    std::uint64_t left_;
    std::uint32_t claimed_ = 0;
    std::uint32_t claim_size_ = 1;  // items claimed at once where a chunk allows it
    std::uint64_t claimed_at_ = 0;
    std::size_t block_at_ = no_block;
    std::uint64_t block_count_ = 0;
};

/// Decodes the arguments of a run's items and calls the function with them; one for each function
/// type, named in messages by its code_ref.
using run_thunk = void (*)(run_execution&);

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
