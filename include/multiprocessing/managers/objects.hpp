// SPDX-License-Identifier: BSL-1.0
// All that a manager's server holds: its objects, who refers to them, and the requests that wait.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/barrier.hpp>
#include <multiprocessing/managers/containers.hpp>
#include <multiprocessing/managers/locks.hpp>
#include <multiprocessing/managers/object.hpp>
#include <multiprocessing/managers/protocol.hpp>
#include <multiprocessing/managers/queue_object.hpp>
#include <multiprocessing/managers/registry.hpp>
#include <multiprocessing/managers/travel.hpp>
#include <multiprocessing/os/random.hpp>
#include <multiprocessing/serialization/function.hpp>
#include <multiprocessing/serialization/pickle.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// A function that a client sends to be called with an object; it knows the types.
using sent_function = void (*)(managed_object& object, call& request);

/// Knows no sockets: calls come in and are answered.
class objects {
  public:
    explicit objects(class_registry classes) : classes_(std::move(classes)) {
        globals_ = keep(std::make_unique<dict_object>());
    }
    objects(const objects&) = delete;
    objects& operator=(const objects&) = delete;
    /// @pre no request waits
    ~objects() {
        while (!sessions_.empty())
            close_session(sessions_.begin()->second);
        tickets_.clear();
        globals_.reset();
    }

    /// The server in whose function the calling thread is; null elsewhere.
    static objects*& current() noexcept {
        static thread_local objects* object = nullptr;
        return object;
    }

    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] bool ending() const noexcept { return ending_; }

    /// @param parent whose references the session begins with, 0: nobody's
    session_state& open_session(std::uint64_t parent, bool same_program) {
        const auto id = os::random_number<std::uint64_t>();
        session_state& session = sessions_[id];
        session.id = id;
        session.same_program = same_program;
        if (const session_state* from = find_session(parent))
            for (const auto& [object, held] : from->holds)
                session.holds[object] = {held.object, 1};
        return session;
    }
    /// @returns null when there is none
    [[nodiscard]] session_state* find_session(std::uint64_t id) {
        const auto found = sessions_.find(id);
        return found == sessions_.end() ? nullptr : &found->second;
    }
    /// Its client is gone.
    void close_session(session_state& session) {
        for (lock_object* const lock : std::exchange(session.locked, {})) {
            const auto kept = lock->shared_from_this();
            lock->holder_ended(session.orderly);
        }
        sessions_.erase(session.id);
    }

    /// Serves one message of an authenticated client.
    void execute(call& request, std::span<const std::byte> message) {
        input_cursor in(message);
        if (message.size() < sizeof(request_header))
            throw UnpicklingError("manager: a request is too short");
        const auto header = in.read_value<request_header>();
        request.all = this;
        request.timers = &timers_;
        if (header.what == verb::release)
            return release(*request.session, in);
        if (header.what == verb::goodbye) {
            request.session->orderly = true;
            return;
        }
        if (header.what == verb::cancel)
            return request.cancel();
        request.begin(header, in);
        const inside here(*this);
        try {
            serve(request, header.object);
            if (request.open() && !request.parked()) {
                grant_written(request);
                request.finish();
            }
        } catch (...) {
            request.fail(std::current_exception());
        }
    }

    /// Answers the requests whose time is over.
    /// @returns how long until the next one's is; nothing when none has a limit
    std::optional<std::chrono::nanoseconds> expire() {
        const auto now = server_clock::now();
        while (!timers_.empty()) {
            const auto first = timers_.begin();
            if (first->first > now)
                return first->first - now;
            first->second->time_out();
        }
        return std::nullopt;
    }

    /// @throws std::out_of_range when it does not exist, or exists no more
    [[nodiscard]] object_ptr find(object_id id) const {
        const auto found = living_.find(id);
        if (found != living_.end())
            if (auto object = found->second.lock())
                return object;
        throw std::out_of_range("manager: there is no object " + std::to_string(id) +
                                ": its last proxy is gone");
    }

    /// Keeps what a session refers to until the call that the server answers is over: a function
    /// in it names objects without keeping them.
    void keep_until_answered(const session_state& session) {
        for (const auto& [id, held] : session.holds)
            kept_.try_emplace(id, held.object);
    }

    /// The client gets references to the objects whose proxies were written into its answer.
    /// @pre in a function that the server calls
    void grant_written(call& request) const {
        for (const object_id id : journey::current()->take_written())
            request.grant(find(id));
    }

    /// Turns a value into what objects hold.
    /// @pre in a function that the server calls
    template <class T>
    [[nodiscard]] stored_value store(const T& value) const {
        heap_buffer buffer;
        auto before = journey::current()->take_written();
        detail::save(buffer, value);
        stored_value result;
        result.bytes.assign(reinterpret_cast<const char*>(buffer.data()), buffer.size());
        for (const object_id id : journey::current()->take_written())
            result.refers.push_back(find(id));
        for (const object_id id : before)
            journey::current()->add_written(id);
        return result;
    }

  private:
    /// The calling thread serves a request.
    struct inside {
        explicit inside(objects& server)
            : all(server),
              outer(std::exchange(current(), &all)),
              here(all.number_, all.no_client_) {}
        inside(const inside&) = delete;
        inside& operator=(const inside&) = delete;
        ~inside() {
            if (outer != &all)
                while (!all.kept_.empty())  // what dies may call, too
                    const auto over = std::exchange(all.kept_, {});
            current() = outer;
        }

        objects& all;
        objects* const outer;
        const journey here;
    };

    void serve(call& request, object_id id) {
        switch (request.what) {
            case verb::create:
                return create(request);
            case verb::count:
                return request.out.append_value(static_cast<std::uint64_t>(living_.size() - 1));
            case verb::shutdown:
                ending_ = true;
                return;
            case verb::refer:
                return refer(request, id);
            case verb::ticket: {
                const auto number = os::random_number<std::uint64_t>() | 2;  // not 0, not 1
                tickets_.emplace(number, find(id));
                return request.out.append_value(number);
            }
            case verb::run:
                return run(request, id);
            default: {
                const object_ptr object = find(id);  // the request may be what ends it
                return object->handle(request);
            }
        }
    }

    static void require_same_program(const session_state& session) {
        if (!session.same_program)
            throw ValueError(
                "manager: a function of another program cannot be called in the server");
    }
    void run(call& request, object_id id) {
        require_same_program(*request.session);
        const auto code = request.in.read_value<code_ref>();
        const object_ptr object = find(id);
        reinterpret_cast<sent_function>(decode_code(code))(*object, request);
    }

    void refer(call& request, object_id id) {
        const auto ticket = request.in.read_value<std::uint64_t>();
        const auto found = tickets_.find(ticket);
        request.grant(find(id));
        if (found != tickets_.end() && found->second->id == id)
            tickets_.erase(found);
    }

    static void release(session_state& session, input_cursor& in) {
        for (std::size_t left = take_count(in, 16); left > 0; --left) {
            const auto id = in.read_value<object_id>();
            const auto count = in.read_value<std::uint64_t>();
            const auto found = session.holds.find(id);
            if (found == session.holds.end())
                continue;
            if (found->second.count > count) {
                found->second.count -= count;
                continue;
            }
            const object_ptr last = std::move(found->second.object);
            session.holds.erase(found);
        }
    }

    void create(call& request) {
        input_cursor& in = request.in;
        const auto kind = in.read_value<object_kind>();
        std::unique_ptr<managed_object> made;
        switch (kind) {
            case object_kind::dict:
                made = std::make_unique<dict_object>();
                request.what = verb::extend;
                made->handle(request);
                break;
            case object_kind::list:
            case object_kind::array: {
                auto list = std::make_unique<list_object>(kind == object_kind::array);
                list->values = list_object::take_values(request);
                made = std::move(list);
                break;
            }
            case object_kind::lock:
            case object_kind::rlock:
                made = std::make_unique<lock_object>(kind == object_kind::rlock);
                break;
            case object_kind::semaphore: {
                const auto value = in.read_value<std::uint32_t>();
                made = std::make_unique<semaphore_object>(value, in.read_value<std::uint32_t>());
                break;
            }
            case object_kind::condition:
                made = std::make_unique<condition_object>(lock_of(in.read_value<object_id>()));
                break;
            case object_kind::event:
                made = std::make_unique<event_object>();
                break;
            case object_kind::barrier: {
                const auto parties = in.read_value<std::uint32_t>();
                if (parties == 0)
                    throw ValueError("manager: a barrier has at least one party");
                const auto limit = in.read_value<wait_time>();
                const bool acts = load<bool>(in);
                if (acts)
                    require_same_program(*request.session);
                in.back(1);
                made = std::make_unique<barrier_object>(parties, load<action>(in), limit);
                break;
            }
            case object_kind::queue:
                made = std::make_unique<queue_object>(in.read_value<std::uint64_t>());
                break;
            case object_kind::instance:
                made = make_instance(in);
                break;
            default:
                throw ValueError("manager: there is no such kind of object");
        }
        const object_ptr object = keep(std::move(made));
        request.out.append_value(object->id);
        request.grant(object);
    }

    std::unique_ptr<managed_object> make_instance(input_cursor& in) {
        const std::string name(take_bytes(in));
        const auto found = classes_.find(name);
        if (found == classes_.end())
            throw std::out_of_range("manager: no class is registered as " + printable(name));
        const registered_class& about = found->second;
        return std::make_unique<instance_object>(name, about, about.make(about.factory, in));
    }
    std::shared_ptr<lock_object> lock_of(object_id id) {
        const object_ptr found = id == 0 ? keep(std::make_unique<lock_object>(true)) : find(id);
        auto lock = std::dynamic_pointer_cast<lock_object>(found);
        if (!lock)
            throw ValueError("manager: a condition needs a lock");
        return lock;
    }

    object_ptr keep(std::unique_ptr<managed_object> made) {
        made->id = ++last_id_;
        object_ptr object(made.release(), [this](managed_object* dead) { bury(dead); });
        living_.emplace(object->id, object);
        return object;
    }
    /// An object may hold the last reference to another one, and so on: no recursion.
    void bury(managed_object* dead) {
        living_.erase(dead->id);
        dead_.emplace_back(dead);
        if (std::exchange(burying_, true))
            return;
        while (!dead_.empty()) {
            const auto next = std::move(dead_.back());
            dead_.pop_back();
        }
        burying_ = false;
    }

    const std::uint64_t number_ = os::random_number<std::uint64_t>() | 1;
    const std::shared_ptr<session> no_client_;
    const class_registry classes_;
    bool ending_ = false;
    bool burying_ = false;
    object_id last_id_ = 0;
    std::vector<std::unique_ptr<managed_object>> dead_;
    std::unordered_map<object_id, std::weak_ptr<managed_object>> living_;
    timer_queue timers_;
    std::unordered_map<object_id, object_ptr> kept_;
    std::unordered_map<std::uint64_t, object_ptr> tickets_;
    std::unordered_map<std::uint64_t, session_state> sessions_;
    object_ptr globals_;
};

inline stored_value call::take_value() {
    stored_value value;
    const auto count = in.read_value<std::uint32_t>();
    if (count > in.remaining() / sizeof(object_id))
        throw UnpicklingError("manager: a count is larger than its message");
    value.refers.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i)
        value.refers.push_back(all->find(in.read_value<object_id>()));
    value.bytes = take_bytes(in);
    return value;
}

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
