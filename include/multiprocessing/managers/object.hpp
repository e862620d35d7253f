// SPDX-License-Identifier: BSL-1.0
// The server's view of an object and of a request to it, which is answered at once or parked.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/protocol.hpp>
#include <multiprocessing/process/identity.hpp>
#include <multiprocessing/serialization/exception.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

class call;
class objects;
class lock_object;
struct session_state;

/// An object in the server. It lives as long as somebody refers to it: a session, a value that
/// holds its proxy, a ticket, a request that waits at it. One thread uses all of them.
class managed_object : public std::enable_shared_from_this<managed_object> {
  public:
    managed_object() = default;
    managed_object(const managed_object&) = delete;
    managed_object& operator=(const managed_object&) = delete;
    virtual ~managed_object() = default;

    /// Serves a request: writes its result, or parks it. An exception becomes its answer.
    virtual void handle(call& request) = 0;
    /// A parked request waits no more: its time is over (`nothing`), or its client does not want
    /// or need an answer (`cancelled`). Takes it out of every list, and finishes it now or later;
    /// one whose client is gone may not be kept.
    virtual void give_up(call& request, status why);

    object_id id = 0;

  protected:
    /// @throws ValueError that names what was asked for
    [[noreturn]] void refuse(const call& request) const;
};

using object_ptr = std::shared_ptr<managed_object>;

/// A value as its client wrote it, and the objects whose proxies are in it.
struct stored_value {
    std::string bytes;
    std::vector<object_ptr> refers;
};

/// Who holds a lock: a thread of a client.
struct lock_owner {
    session_state* session = nullptr;
    std::int32_t thread = 0;
    friend bool operator==(const lock_owner&, const lock_owner&) = default;
};

/// What the server knows of one client process.
struct session_state {
    std::uint64_t id = 0;
    bool same_program = false;  ///< its functions are ours, too
    bool orderly = false;       ///< it has said goodbye
    int connections = 0;
    struct holding {
        object_ptr object;
        std::uint64_t count = 0;
    };
    std::unordered_map<object_id, holding> holds;
    std::set<lock_object*> locked;

    void grant(const object_ptr& object) {
        holding& held = holds[object->id];
        held.object = object;
        ++held.count;
    }
};

using server_clock = std::chrono::steady_clock;
/// The requests that wait, by when they stop to.
using timer_queue = std::multimap<server_clock::time_point, call*>;

/// One request on its way through the server. A connection has one, which it uses again and again.
class call {
  public:
    call() = default;
    call(const call&) = delete;
    call& operator=(const call&) = delete;

    session_state* session = nullptr;
    objects* all = nullptr;
    timer_queue* timers = nullptr;
    verb what = verb::count;
    std::int32_t thread = 0;
    input_cursor in;
    heap_buffer out;

    [[nodiscard]] lock_owner caller() const noexcept { return {session, thread}; }

    /// Appends a value to the result; the client gets references to what it refers to.
    void give(const stored_value& value) {
        managed::append_bytes(out, value.bytes);
        granted_.insert(granted_.end(), value.refers.begin(), value.refers.end());
    }
    /// The client gets a reference to the object.
    void grant(object_ptr object) { granted_.push_back(std::move(object)); }
    /// Takes a value out of the arguments.
    stored_value take_value();

    void begin(const request_header& header, input_cursor arguments) {
        what = header.what;
        thread = header.thread;
        in = arguments;
        out.clear();
        granted_.clear();
        open_ = true;
    }
    /// Sends the answer.
    void finish(status how = status::done) {
        leave_park();
        open_ = false;
        for (const object_ptr& object : granted_)
            session->grant(object);
        deliver(how);
        granted_.clear();
    }
    void fail(std::exception_ptr error) {
        out.clear();
        granted_.clear();
        save_exception(out, std::move(error), this_process().name);
        finish(status::failed);
    }
    template <class Error>
    void fail(const Error& error) {
        fail(std::make_exception_ptr(error));
    }

    /// The request waits at an object.
    /// @param limit at most that long
    void park(managed_object& at, wait_time limit = for_ever) {
        leave_timer();
        at_ = at.shared_from_this();
        if (limit >= 0) {
            const auto now = server_clock::now();
            const std::chrono::nanoseconds most = server_clock::time_point::max() - now;
            timer_ = timers->emplace(now + std::min(most, std::chrono::nanoseconds(limit)), this);
            timed_ = true;
        }
    }
    [[nodiscard]] bool parked() const noexcept { return at_ != nullptr; }
    /// It has no answer yet.
    [[nodiscard]] bool open() const noexcept { return open_; }
    /// Its client is gone: the answer goes nowhere.
    [[nodiscard]] bool orphaned() const noexcept { return orphaned_; }

    void time_out() { give_up(status::nothing); }
    void cancel() { give_up(status::cancelled); }
    void orphan() {
        orphaned_ = true;
        cancel();
    }

  protected:
    ~call() = default;
    virtual void deliver(status how) = 0;
    [[nodiscard]] std::span<const object_ptr> granted() const noexcept { return granted_; }

  private:
    void give_up(status why) {
        leave_timer();
        if (const auto at = at_)  // which may live no longer than the request waits
            at->give_up(*this, why);
    }
    void leave_timer() {
        if (std::exchange(timed_, false))
            timers->erase(timer_);
    }
    void leave_park() {
        leave_timer();
        at_.reset();
    }

    std::vector<object_ptr> granted_;
    std::shared_ptr<managed_object> at_;
    timer_queue::iterator timer_;
    bool timed_ = false;
    bool open_ = false;
    bool orphaned_ = false;
};

/// The requests that wait for one thing, the one that came first in front.
class waiting_line {
  public:
    [[nodiscard]] bool empty() const noexcept { return calls_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return calls_.size(); }
    void add(call& request) { calls_.push_back(&request); }
    /// @pre it is not empty
    call& take_first() {
        call& first = *calls_.front();
        calls_.erase(calls_.begin());
        return first;
    }
    bool remove(call& request) noexcept { return std::erase(calls_, &request) != 0; }
    std::vector<call*> take_all() noexcept { return std::exchange(calls_, {}); }

  private:
    std::vector<call*> calls_;
};

inline void managed_object::give_up(call& request, status why) {
    request.finish(why);
}

inline void managed_object::refuse(const call& request) const {
    throw ValueError("manager: object " + std::to_string(id) + " does not serve request " +
                     std::to_string(static_cast<std::uint32_t>(request.what)));
}

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
