// SPDX-License-Identifier: BSL-1.0
// Hands what workers answered to the jobs it belongs to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <span>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/packing.hpp>
#include <multiprocessing/pool/worker_slot.hpp>
#include <multiprocessing/serialization/exception.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Goes through the records of an answer, item by item.
/// @note Throws UnpicklingError on damaged records; what was visited before stays settled.
template <class Visit>
void for_each_record(std::span<const std::byte> records, std::uint64_t items,
                     Visit visit) {  // visit(kind, item, count, cursor) consumes the record's bytes
    input_cursor cursor(records);
    std::uint64_t item = 0;
    while (item < items) {
        const auto word = cursor.read_value<std::uint64_t>();
        const auto kind = static_cast<record_kind>(word & 3);
        std::uint64_t count = word >> 2;
        if (kind == record_kind::block && count == 0)
            throw UnpicklingError("a worker's answer is damaged: an empty record");
        if (kind == record_kind::block)  // a worker that died may have begun a further item
            count = std::min(count, items - item);
        visit(kind, item, count, cursor);
        item += kind == record_kind::block ? count : 1;
    }
}

class collector {
  public:
    explicit collector(cost_table& costs) noexcept : costs_(&costs) {}

    /// Settles the items that `got` answers of `sent` and that are not settled yet. Jobs that this
    /// completes are appended to `done`.
    /// @throws UnpicklingError when the answer is damaged
    void settle(flight& sent, const answer& got, std::vector<job_ref>& done) {
        if (got.items > sent.items)
            throw UnpicklingError("a worker answered more items than it was sent");
        if (got.failure)
            return settle_all_with(sent, got, done);
        for_each_record(
            got.records, got.items,
            [&](record_kind kind, std::uint64_t item, std::uint64_t count, input_cursor& cursor) {
                if (kind == record_kind::block)
                    settle_block(sent, item, count, cursor, done);
                else
                    settle_one(kind, sent, item, count, cursor, done);
                // At once: the next record may be damaged, and then these are not settled again.
                const std::uint64_t end = item + (kind == record_kind::block ? count : 1);
                sent.settled = std::max(sent.settled, end);
            });
        if (got.nanoseconds != 0 && got.items != 0)
            for (const slice& part : sent.slices)
                costs_->learn(*part.owner, got.nanoseconds / got.items);
    }

    static void settle_with(const job_ref& owner, std::uint64_t index,
                            const std::exception_ptr& error, std::vector<job_ref>& done) {
        if (owner->settled())
            return;
        owner->reject(index, error);
        if (owner->settled())
            done.push_back(owner);
    }

  private:
    static void settle_all_with(flight& sent, const answer& got, std::vector<job_ref>& done) {
        sent.for_items(sent.settled, got.items,
                       [&](const job_ref& owner, std::uint64_t first, std::uint64_t count) {
                           for (std::uint64_t i = 0; i < count; ++i)
                               settle_with(owner, first + i, got.failure, done);
                       });
        sent.settled = std::max(sent.settled, got.items);
    }
    static void settle_block(const flight& sent, std::uint64_t item, std::uint64_t count,
                             input_cursor& cursor, std::vector<job_ref>& done) {
        std::uint64_t size = 0;
        sent.for_items(item, item + 1, [&](const job_ref& owner, std::uint64_t, std::uint64_t) {
            size = owner->result_size();
        });
        if (size == 0 || count > cursor.remaining() / size)
            throw UnpicklingError("a worker's answer is damaged: results of another size");
        const std::byte* const bytes = cursor.take(count * size);
        cursor.take(std::min<std::uint64_t>(padding(count * size), cursor.remaining()));
        std::uint64_t begin = item;
        const std::uint64_t from = std::max(item, sent.settled);
        sent.for_items(
            from, item + count, [&](const job_ref& owner, std::uint64_t first, std::uint64_t part) {
                const std::byte* const place = bytes + (std::max(begin, from) - item) * size;
                begin = std::max(begin, from) + part;
                if (owner->settled())
                    return;
                owner->accept(first, part, {place, part * size});
                if (owner->settled())
                    done.push_back(owner);
            });
    }

    static void settle_one(record_kind kind, const flight& sent, std::uint64_t item,
                           std::uint64_t size, input_cursor& cursor, std::vector<job_ref>& done) {
        const std::span<const std::byte> bytes(cursor.take(size), size);
        cursor.take(std::min<std::uint64_t>(padding(size), cursor.remaining()));
        if (item < sent.settled)
            return;
        sent.for_items(item, item + 1,
                       [&](const job_ref& owner, std::uint64_t index, std::uint64_t) {
                           if (owner->settled())
                               return;
                           if (kind == record_kind::value) {
                               owner->accept(index, 1, bytes);
                               if (owner->settled())
                                   done.push_back(owner);
                           } else {
                               input_cursor exception(bytes);
                               settle_with(owner, index, load_any_exception(exception), done);
                           }
                       });
    }
    static std::exception_ptr load_any_exception(input_cursor& cursor) {
        try {
            return load_exception(cursor);
        } catch (...) {
            return std::current_exception();
        }
    }

    cost_table* costs_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
