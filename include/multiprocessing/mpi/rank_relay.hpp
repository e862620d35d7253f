// SPDX-License-Identifier: BSL-1.0
// A rank that hands calls on to worker processes of its own: it knows their bytes alone.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/mpi/mailbox.hpp>
#include <multiprocessing/mpi/packer.hpp>
#include <multiprocessing/os/image.hpp>
#include <multiprocessing/os/spin.hpp>
#include <multiprocessing/pool/engine.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/serialization/exception.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A run of a message as a job: its items are written as they came, its results are kept as they
/// come.
class relayed_run final : public remote_job {
  public:
    /// @param items the arguments of all items, as they stand in the message
    relayed_run(const job_limits& limits, const run_header& header,
                std::span<const std::byte> function, std::span<const std::byte> items,
                std::vector<std::size_t> places, std::uint64_t result_size,
                std::shared_ptr<const heap_buffer> message)
        : remote_job(limits),
          header_(header),
          function_(function),
          items_(items),
          places_(std::move(places)),
          result_size_(result_size),
          cost_key_(static_cast<std::uint8_t>(
              os::digest_bytes(function.data(), function.size(), header.thunk_offset))),
          message_(std::move(message)),
          outcomes_(header.items) {
        header_.items = 0;
    }

    void write_prefix(output_buffer& out) const override {
        out.append_value(header_);
        out.append(function_.data(), function_.size());
        append_padding(out);
    }
    std::uint64_t write_items(std::uint64_t first, std::uint64_t count, std::size_t enough,
                              output_buffer& out, std::exception_ptr&) override {
        const std::size_t begin = place(first);
        std::uint64_t last = first + 1;  // at least one
        while (last < first + count && place(last) - begin < enough)
            ++last;
        out.append(items_.data() + begin, place(last) - begin);
        return last - first;
    }
    [[nodiscard]] std::uint64_t result_size() const noexcept override { return result_size_; }
    // Kept: it is asked for when the message may be gone.
    [[nodiscard]] std::uint8_t cost_key() const noexcept override { return cost_key_; }
    void release_inputs() noexcept override {
        message_.reset();
        items_ = {};
    }

    /// Appends the records of all items. @param name of this process, for the exceptions it throws
    void write_records(output_buffer& out, const std::string& name) const {
        for (std::size_t i = 0; i < outcomes_.size();) {
            const outcome& one = outcomes_[i];
            if (!one.error && result_size_ != 0) {
                std::size_t end = i + 1;
                while (end < outcomes_.size() && !outcomes_[end].error)
                    ++end;
                out.append_value(record_word(record_kind::block, end - i));
                out.append(fixed_.data() + i * result_size_, (end - i) * result_size_);
                i = end;
            } else {
                heap_buffer error;
                if (one.error)
                    save_exception(error, one.error, name);
                const auto bytes = one.error ? error.bytes() : std::span(one.value);
                out.append_value(record_word(
                    one.error ? record_kind::exception : record_kind::value, bytes.size()));
                out.append(bytes.data(), bytes.size());
                ++i;
            }
            append_padding(out);
        }
    }

  protected:
    void store(std::uint64_t first, std::uint64_t count,
               std::span<const std::byte> bytes) override {
        if (result_size_ == 0) {
            outcomes_[first].value.assign(bytes.begin(), bytes.end());
        } else {
            if (fixed_.empty())
                fixed_.resize(outcomes_.size() * result_size_);
            std::memcpy(fixed_.data() + first * result_size_, bytes.data(), bytes.size());
        }
        for (std::uint64_t i = first; i < first + count; ++i)
            outcomes_[i].there = true;
    }
    void fail(std::uint64_t index, const std::exception_ptr& error) override {
        outcomes_[index].error = error;
    }
    void fail_rest(const std::exception_ptr& error) override {
        for (outcome& one : outcomes_)
            if (!one.there && !one.error)
                one.error = error;
    }

  private:
    struct outcome {
        bool there = false;
        std::vector<std::byte> value;  // unless all results have one size
        std::exception_ptr error;
    };

    /// Where item `index` begins; behind the last one where they end.
    [[nodiscard]] std::size_t place(std::uint64_t index) const noexcept {
        return header_.item_size != 0 ? header_.item_size * index : places_[index];
    }

    run_header header_;
    std::span<const std::byte> function_, items_;
    std::vector<std::size_t> places_;  // of items of different sizes, and of their end
    std::uint64_t result_size_;
    std::uint8_t cost_key_;
    std::shared_ptr<const heap_buffer> message_;  // in which function_ and items_ lie
    std::vector<outcome> outcomes_;
    std::vector<std::byte> fixed_;
};

class rank_relay {
  public:
    rank_relay(mailbox& box, engine& workers, std::string name)
        : box_(&box), workers_(&workers), name_(std::move(name)) {}

    void take(const letter_header& header, heap_buffer& message) {
        open_message& opened = open_.emplace_back();
        opened.header = header;
        opened.begin = os::steady_nanoseconds();
        const auto kept = std::make_shared<heap_buffer>(std::move(message));
        read_runs(header, kept, opened.runs);
        std::vector<counted<job>> work(opened.runs.begin(), opened.runs.end());
        try {
            workers_->submit(work);
        } catch (...) {  // an initializer failed, say: no worker is left
            for (const auto& run : opened.runs)
                run->reject_rest(std::current_exception());
            opened.refused = true;
            tell_failure();
        }
    }
    /// @returns whether it did something
    bool advance() {
        bool any = false;
        if (!open_.empty())
            workers_->look();
        for (auto opened = open_.begin(); opened != open_.end();) {
            if (opened->refused || std::ranges::all_of(opened->runs, [](const auto& run) {
                    return run->ready().load(std::memory_order_acquire);
                })) {
                answer(*opened);
                opened = open_.erase(opened);
                any = true;
            } else {
                ++opened;
            }
        }
        return any;
    }
    void rest(std::chrono::nanoseconds pause) {
        if (open_.empty()) {
            check_workers();
            std::this_thread::sleep_for(pause);
        } else if (const auto& runs = open_.front().runs; !runs.empty()) {
            workers_->wait(runs.back()->ready(), Deadline(pause));
        }
    }
    void stop() noexcept {
        workers_->dismiss();
        open_.clear();
    }

  private:
    struct open_message {
        letter_header header;
        std::uint64_t begin = 0;
        std::vector<counted<relayed_run>> runs;
        bool refused = false;
    };

    static void read_runs(const letter_header& header,
                          const std::shared_ptr<const heap_buffer>& message,
                          std::vector<counted<relayed_run>>& runs) {
        input_cursor body(message->bytes().first(header.extra).subspan(sizeof header));
        input_cursor infos(message->bytes().subspan(header.extra));
        while (infos.remaining() >= sizeof(run_info)) {
            const auto info = infos.read_value<run_info>();
            const auto run = body.read_value<run_header>();
            const std::span function(body.take(run.function_size), run.function_size);
            body.take(padding(run.function_size));
            std::vector<std::size_t> places;
            const std::byte* const begin = body.take(0);
            if (run.item_size != 0) {
                body.take(run.item_size * run.items);
                body.take(
                    std::min<std::uint64_t>(padding(run.item_size * run.items), body.remaining()));
            } else {
                for (std::uint64_t i = 0; i < run.items; ++i) {
                    places.push_back(static_cast<std::size_t>(body.take(0) - begin));
                    const auto size = body.read_value<std::uint64_t>();
                    body.take(size);
                    body.take(padding(size));
                }
                places.push_back(static_cast<std::size_t>(body.take(0) - begin));
            }
            job_limits limits;
            limits.items = run.items;
            limits.chunk = std::max<std::uint64_t>(run.chunk, 1);
            limits.timeout = std::chrono::nanoseconds(run.timeout);
            limits.retries = static_cast<unsigned>(info.retries);
            const std::span items(begin, static_cast<std::size_t>(body.take(0) - begin));
            runs.emplace_back(new relayed_run(limits, run, function, items, std::move(places),
                                              info.result_size, message));
        }
    }

    void answer(const open_message& done) {
        const std::uint64_t now = os::steady_nanoseconds();
        heap_buffer message = box_->start();
        for (const auto& run : done.runs)
            run->write_records(message, name_);
        letter_header header;
        header.number = done.header.number;
        header.items = done.header.items;
        // What the items took, by all that is known here: messages of several workers overlap.
        const std::uint64_t busy = std::min<std::uint64_t>(open_.size(), workers_->workers());
        header.extra = (now - std::max(done.begin, last_answer_)) * busy;
        last_answer_ = now;
        box_->send(0, letter::answer, header, std::move(message));
    }

    /// What made the workers unusable is said once, before anybody waits for them.
    void check_workers() {
        try {
            workers_->check_running();
        } catch (...) {
            tell_failure();
        }
    }
    /// Says what is being handled.
    void tell_failure() {
        if (std::exchange(failed_, true))
            return;
        heap_buffer message = box_->start();
        save_exception(message, std::current_exception(), name_);
        box_->send(0, letter::failed, {}, std::move(message));
    }

    mailbox* box_;
    engine* workers_;
    std::string name_;
    std::list<open_message> open_;
    std::uint64_t last_answer_ = 0;
    bool failed_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
