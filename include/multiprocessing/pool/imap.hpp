// SPDX-License-Identifier: BSL-1.0
// The lazy results of imap and imap_unordered: a window of chunks moves over an input of any
// length.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <utility>
#include <variant>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/pool/inputs.hpp>
#include <multiprocessing/pool/job.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// What an imap of a function with this result yields.
template <class R>
using imap_value = std::conditional_t<std::is_void_v<R>, std::monostate, R>;

/// Where the chunks of one imap_unordered that are done line up.
struct finished_line {
    std::mutex mutex;
    std::deque<job*> jobs;         // guarded by mutex
    std::atomic<bool> any{false};  // whether there are some
};

/// The results of one chunk, whatever executes it.
template <class R>
struct chunk_results {
    using outcome = std::variant<std::monostate, imap_value<R>, std::exception_ptr>;
    // Index 1 and 2 are used by position: R may itself be std::monostate or an exception_ptr.
    std::vector<outcome> outcomes;
    std::shared_ptr<finished_line> line;

    void set(std::uint64_t i, imap_value<R> value) {
        outcomes[i].template emplace<1>(std::move(value));
    }
    void set_error(std::uint64_t i, std::exception_ptr error) {
        outcomes[i].template emplace<2>(std::move(error));
    }
    void set_rest(const std::exception_ptr& error) {
        for (outcome& one : outcomes)
            if (one.index() == 0)
                one.template emplace<2>(error);
    }
    void line_up(job& finished) {
        if (line == nullptr)
            return;
        const std::scoped_lock lock(line->mutex);
        line->jobs.push_back(&finished);
        line->any.store(true, std::memory_order_release);
    }
};

/// A chunk as a job.
template <class R>
struct chunk_of_input {
    counted<job> work;
    chunk_results<R>* results = nullptr;
};

/// Makes jobs of what it draws from an input, which is open as long as this lives.
template <class R>
class chunk_source {
  public:
    /// @throws ValueError when `runs_on` takes no more
    explicit chunk_source(std::shared_ptr<executor> runs_on) : runs_on_(std::move(runs_on)) {
        runs_on_->open_input();
    }
    chunk_source(const chunk_source&) = delete;
    chunk_source& operator=(const chunk_source&) = delete;
    virtual ~chunk_source() { runs_on_->close_input(); }
    /// @returns nothing at the end of the input
    /// @throws what the input throws, once everything that was drawn before has been returned;
    /// after that the input has ended
    virtual std::optional<chunk_of_input<R>> next(std::uint64_t most,
                                                  const std::shared_ptr<finished_line>& line) = 0;

  private:
    std::shared_ptr<executor> runs_on_;
};

/// Draws items from a range; `make(items, line)` makes them a job.
template <class R, class Range, class Item, class Make>
class range_source final : public chunk_source<R> {
  public:
    range_source(std::shared_ptr<executor> runs_on, Range range, Make make)
        : chunk_source<R>(std::move(runs_on)), range_(std::move(range)), make_(std::move(make)) {}

    std::optional<chunk_of_input<R>> next(std::uint64_t most,
                                          const std::shared_ptr<finished_line>& line) override {
        owned_items<Item> items;
        try {
            if (!failure_)
                draw(most, items);
        } catch (...) {
            failure_ = std::current_exception();
        }
        if (items.size() != 0)
            return make_(std::move(items), line);
        if (failure_)
            std::rethrow_exception(failure_);
        return std::nullopt;
    }

  private:
    void draw(std::uint64_t most, owned_items<Item>& items) {
        if (!next_)
            next_.emplace(std::ranges::begin(range_));
        else if (advance_)
            ++*next_;
        advance_ = false;
        while (*next_ != std::ranges::end(range_)) {
            items.push_back(**next_);
            advance_ = true;
            if (items.size() == most)
                break;  // the iterator moves on when more is wanted: input may block
            ++*next_;
            advance_ = false;
        }
    }

    Range range_;
    Make make_;
    std::optional<std::ranges::iterator_t<Range>> next_;
    bool advance_ = false;
    std::exception_ptr failure_;  // what the input threw: nothing more is drawn
};

}  // namespace detail

/// The results of `imap` or `imap_unordered`: an input range, or call `next` until it is empty.
///
/// Input is drawn by the thread that iterates, never more than `buffersize` items ahead. An item
/// that failed throws when it is reached, and the iteration can go on behind it. An exception of
/// the input itself comes after the results of what was drawn before it, and ends the iteration.
/// Results that are not taken before this is destroyed are dropped, and so are items that no worker
/// was sent. What a Pool's worker has been sent, two messages at most, is still done.
/// @note One thread at a time. Like a call that was submitted before, it goes on when its pool is
/// closed; from join() on nothing more is drawn: what was, is done, and then it throws ValueError.
/// After its pool is gone it throws: CancelledError for items that were drawn, ValueError for
/// drawing more.
/// @par Python `multiprocessing.pool.IMapIterator`
template <class R>
class IMapIterator {
  public:
    using value_type = detail::imap_value<R>;

    IMapIterator(IMapIterator&&) noexcept = default;
    IMapIterator& operator=(IMapIterator&& other) noexcept {
        drop();
        runs_on_ = std::move(other.runs_on_);
        source_ = std::move(other.source_);
        line_ = std::move(other.line_);
        window_ = std::move(other.window_);
        current_ = std::move(other.current_);
        position_ = other.position_;
        outstanding_ = other.outstanding_;
        chunksize_ = other.chunksize_;
        buffersize_ = other.buffersize_;
        input_error_ = std::move(other.input_error_);
        shown_ = std::move(other.shown_);
        seen_ = other.seen_;
        finished_ = other.finished_;
        return *this;
    }
    ~IMapIterator() { drop(); }

    /// Returns the next result, or nothing at the end.
    /// @throws what the item's call threw; WorkerLostError, TimeoutError, PicklingError,
    /// UnpicklingError; what the input threw; KeyboardInterrupt under an InterruptGuard
    std::optional<value_type> next() { return next(detail::Deadline()); }
    /// @throws TimeoutError when the next result is not there in time; it can be asked for again
    std::optional<value_type> next(Timeout timeout) { return next(detail::Deadline(timeout)); }

    class iterator {
      public:
        using value_type = detail::imap_value<R>;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        iterator() = default;
        explicit iterator(IMapIterator& results) : results_(&results) {}

        /// @throws what the item's call threw; the iteration goes on behind it, after ++ or without
        value_type& operator*() const {
            results_->show();
            return results_->look();
        }
        iterator& operator++() {
            if (results_->shown_.index() == 0)
                results_->show();
            results_->pass();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.at_end(); }

      private:
        [[nodiscard]] bool at_end() const {
            results_->show();
            return results_->shown_.index() == 0;
        }
        IMapIterator* results_ = nullptr;
    };

    /// Goes on behind the last item that was looked at.
    [[nodiscard]] iterator begin() {
        if (seen_)
            pass();
        return iterator(*this);
    }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

    /// For the pools.
    IMapIterator(std::shared_ptr<detail::executor> runs_on,
                 std::unique_ptr<detail::chunk_source<R>> source, std::uint64_t chunksize,
                 std::uint64_t buffersize, bool ordered)
        : runs_on_(std::move(runs_on)),
          source_(std::move(source)),
          line_(ordered ? nullptr : std::make_shared<detail::finished_line>()),
          chunksize_(std::min(chunksize, buffersize)),
          buffersize_(buffersize) {}

  private:
    // A result at index 1, an exception at 2, neither at the end.
    using outcome = typename detail::chunk_results<R>::outcome;

    std::optional<value_type> next(detail::Deadline deadline) {
        if (seen_)
            pass();
        outcome taken = shown_.index() == 0 ? take(deadline) : std::exchange(shown_, outcome());
        if (taken.index() == 0)
            return std::nullopt;
        if (taken.index() == 2)
            std::rethrow_exception(std::get<2>(taken));
        return std::get<1>(std::move(taken));
    }

    /// Makes the next outcome the one that iterators refer to, if they refer to none, or to an
    /// exception that was thrown.
    void show() {
        if (shown_.index() == 2 && seen_)
            pass();
        if (shown_.index() == 0 && !finished_) {
            shown_ = take(detail::Deadline());
            finished_ = shown_.index() == 0;
        }
    }
    value_type& look() {
        seen_ = true;
        if (shown_.index() == 2)
            std::rethrow_exception(std::get<2>(shown_));
        return std::get<1>(shown_);
    }
    void pass() noexcept {
        shown_.template emplace<0>();
        seen_ = false;
    }

    outcome take(detail::Deadline deadline) {
        if (current_.results == nullptr && !take_chunk(deadline)) {
            outcome last;
            if (input_error_)
                last.template emplace<2>(std::exchange(input_error_, nullptr));
            return last;
        }
        outcome& next = current_.results->outcomes[position_++];
        --outstanding_;
        const bool last = position_ == current_.results->outcomes.size();
        const auto done = last ? std::exchange(current_, {}) : detail::chunk_of_input<R>();
        return std::move(next);
    }

    /// Makes a finished chunk the current one. @returns false when there is none left
    bool take_chunk(detail::Deadline deadline) {
        fill();
        if (window_.empty())
            return false;
        const auto& ready = line_ == nullptr ? window_.front().work->ready() : line_->any;
        if (!ready.load(std::memory_order_acquire) && !runs_on_->wait(ready, deadline))
            throw TimeoutError("imap: the next result is not there in time");
        auto taken = window_.begin();
        if (line_ != nullptr) {
            const std::scoped_lock lock(line_->mutex);
            taken = std::ranges::find(window_, line_->jobs.front(),
                                      [](const auto& chunk) { return chunk.work.get(); });
            line_->jobs.pop_front();
            line_->any.store(!line_->jobs.empty(), std::memory_order_release);
        }
        current_ = std::move(*taken);
        window_.erase(taken);
        position_ = 0;
        return true;
    }

    /// Draws input when half of what may be drawn ahead has been taken, so that what is drawn is
    /// submitted in batches.
    void fill() {
        if (source_ == nullptr || outstanding_ > buffersize_ / 2)
            return;
        std::vector<detail::counted<detail::job>> drawn;
        bool ended = false;
        try {
            while (outstanding_ < buffersize_) {
                auto chunk = source_->next(std::min(chunksize_, buffersize_ - outstanding_), line_);
                if (!chunk) {
                    ended = true;
                    break;
                }
                window_.push_back(std::move(*chunk));
                try {
                    drawn.push_back(window_.back().work);
                } catch (...) {
                    window_.pop_back();
                    throw;
                }
                outstanding_ += window_.back().results->outcomes.size();
            }
        } catch (...) {
            input_error_ = std::current_exception();
            ended = true;
        }
        try {
            if (!drawn.empty())
                runs_on_->submit_drawn(drawn);
        } catch (...) {  // the pool is gone: what was drawn will never be done
            for (const auto& work : drawn) {
                outstanding_ -= work->limits().items;
                window_.pop_back();
            }
            input_error_ = std::current_exception();
            ended = true;
        }
        if (ended)
            source_.reset();  // after what was drawn last: a closed pool may end with its input
    }

    void drop() noexcept {
        for (auto& chunk : window_)
            runs_on_->abandon(*chunk.work);
        window_.clear();
    }

    std::shared_ptr<detail::executor> runs_on_;
    std::unique_ptr<detail::chunk_source<R>> source_;  // none once the input has ended
    std::shared_ptr<detail::finished_line> line_;      // none when ordered
    std::deque<detail::chunk_of_input<R>> window_;     // submitted, not taken
    detail::chunk_of_input<R> current_;
    std::uint64_t position_ = 0;     // in the current chunk
    std::uint64_t outstanding_ = 0;  // items drawn whose results were not taken
    std::uint64_t chunksize_ = 1, buffersize_ = 1;
    std::exception_ptr input_error_;
    outcome shown_;          // what iterators refer to
    bool seen_ = false;      // it was read, or thrown
    bool finished_ = false;  // an iterator has come to the end
};

}  // namespace v0
}  // namespace multiprocessing
