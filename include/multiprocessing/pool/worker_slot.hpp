// SPDX-License-Identifier: BSL-1.0
// What the parent knows of one worker: its channel, the messages it was sent, and why it must die.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <multiprocessing/os/process_id.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/transport/worker_link.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A message that a worker was sent and has not answered in full.
struct flight {
    std::uint64_t number = 0;
    std::uint64_t items = 0;
    std::uint64_t settled = 0;  // the first so many items are settled
    std::vector<slice> slices;
    arena_block body;  // of a large message

    /// Calls `visit(job, index, count)` for the items `[from, to)`, in pieces of one job each.
    template <class Visit>
    void for_items(std::uint64_t from, std::uint64_t to, Visit visit) const {
        std::uint64_t begin = 0;  // of the slice, counted in the message
        for (const slice& part : slices) {
            const std::uint64_t low = std::max(from, begin);
            const std::uint64_t high = std::min(to, begin + part.count);
            if (low < high)
                visit(part.owner, part.first + (low - begin), high - low);
            begin += part.count;
            if (begin >= to)
                break;
        }
    }

    /// Of the time limits of its items; the greatest duration when they have none. An item whose
    /// result nobody wants any more keeps its limit: it may run for ever.
    [[nodiscard]] std::chrono::nanoseconds shortest_limit() const noexcept {
        auto shortest = std::chrono::nanoseconds::max();
        for (const slice& part : slices)
            if (part.owner->limits().timeout != std::chrono::nanoseconds::zero())
                shortest = std::min(shortest, part.owner->limits().timeout);
        return shortest;
    }

    /// Takes the items from `kept` on out of the message.
    std::vector<slice> cut(std::uint64_t kept) {
        std::vector<slice> taken;
        for_items(kept, items, [&](const job_ref& owner, std::uint64_t first, std::uint64_t count) {
            taken.push_back({owner, first, count});
        });
        std::uint64_t begin = 0;
        for (slice& part : slices) {
            part.count = std::min(part.count, kept > begin ? kept - begin : 0);
            begin += part.count;
        }
        std::erase_if(slices, [](const slice& part) { return part.count == 0; });
        items = std::min(items, kept);
        return taken;
    }
};

struct worker_slot {
    std::uint64_t id = 0;
    pid_t pid = 0;  // 0 until it was reported
    std::unique_ptr<worker_link> link;
    std::deque<flight> flights;     // oldest first
    std::uint64_t chunks_left = 0;  // until it retires; counts down under maxtasksperchild
    bool ready = false;             // it greeted: the initializer is done
    bool stalled = false;           // its work was taken back: it is busy with a long item
    bool inside = false;            // it was inside its queue when work was to be sent
    bool retiring = false;          // it was told to end after what it has
    std::exception_ptr condemned;   // it is being killed: the error of the item it runs
    std::uint64_t last_used = 0;    // of all dispatches, for taking the warmest worker
    // How far it was when a neighbour was first seen idle, and when that was.
    std::optional<worker_link::position> watched;
    std::chrono::steady_clock::time_point watched_at{};
    std::chrono::nanoseconds excused{};  // time the whole pool was stopped during this item
    std::uint64_t excused_item = 0;      // item_word of that item

    [[nodiscard]] std::uint64_t oldest() const noexcept {
        return flights.empty() ? link->next_number() : flights.front().number;
    }
    /// Room in the queue, and a staging slot whose last answer was collected.
    [[nodiscard]] bool accepts_message() const noexcept {
        return link != nullptr && !retiring && !condemned && !stalled && chunks_left != 0 &&
               link->has_room() && link->next_number() - oldest() < channel_layout::slots;
    }

    /// How many items lie behind that position.
    [[nodiscard]] std::uint64_t items_behind(worker_link::position started) const noexcept {
        std::uint64_t items = 0;
        for (const flight& sent : flights)
            if (sent.number >= started.number)
                items += sent.items - (sent.number == started.number ? started.items : 0);
        return items;
    }
    [[nodiscard]] bool has_part_of(const remote_job& wanted) const noexcept {
        for (const flight& sent : flights)
            for (const slice& part : sent.slices)
                if (part.owner.get() == &wanted)
                    return true;
        return false;
    }
    /// After a recall, when the worker can start nothing more: whether an item of the job was
    /// started and is not finished. Messages before the open one are done.
    [[nodiscard]] bool executes_part_of(const remote_job& wanted) const {
        bool found = false;
        const std::uint64_t open = link->look(oldest()).number;
        const std::uint64_t finished = link->watch().finished;
        for (const flight& sent : flights) {
            if (sent.number != open)
                continue;
            const bool knows = finished >> 32 == (open & 0xffffffffU);
            sent.for_items(knows ? finished & 0xffffffffU : 0, sent.items,
                           [&](const job_ref& owner, std::uint64_t, std::uint64_t) {
                               found = found || owner.get() == &wanted;
                           });
        }
        return found;
    }

    /// Takes back all items that the worker has not started, in their order.
    [[nodiscard]] std::vector<slice> recall(arena& bodies) {
        return flights.empty() ? std::vector<slice>{} : cut_from(link->recall(oldest()), bodies);
    }
    /// Splits off every item behind `kept`, as after a recall.
    [[nodiscard]] std::vector<slice> cut_from(worker_link::position kept, arena& bodies) {
        std::vector<slice> taken;
        for (flight& sent : flights) {
            if (sent.number < kept.number)
                continue;
            auto part = sent.cut(sent.number == kept.number ? kept.items : 0);
            std::move(part.begin(), part.end(), std::back_inserter(taken));
        }
        while (!flights.empty() && flights.back().number > kept.number) {
            if (flights.back().body)
                bodies.release(flights.back().body);
            flights.pop_back();
        }
        return taken;
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
