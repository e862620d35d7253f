// SPDX-License-Identifier: BSL-1.0
// A client process's side of a manager: its connections, the references that it holds, and what a
// fork does to both.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <multiprocessing/connection/address.hpp>
#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/managers/line.hpp>
#include <multiprocessing/managers/protocol.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/process/role_code.hpp>
#include <multiprocessing/serialization/exception.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// What a request brought.
struct result {
    status how = status::done;
    heap_buffer message;
    std::vector<object_id> granted;
    input_cursor body;
};

/// One client process and one server. Any thread may call any member.
class session {
  public:
    /// @throws as line
    explicit session(server_address to) : to_(std::move(to)) {
        const Deadline deadline(to_.patience);
        auto first = std::make_unique<line>(to_, deadline);
        const welcome reply = first->greet({.program = program_fingerprint()}, deadline);
        server_ = reply.server;
        id_ = reply.session;
        lines_.push_back(std::move(first));
        idle_.push_back(lines_.back().get());
    }
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session() { say_goodbye(); }

    [[nodiscard]] std::uint64_t server() const noexcept { return server_; }
    [[nodiscard]] const server_address& to() const noexcept { return to_; }
    /// Every further call throws EOFError.
    [[nodiscard]] bool broken() {
        const std::scoped_lock lock(mutex_);
        return broken_;
    }

    /// Sends a request and waits for its answer.
    /// @param patience after an interrupt, with a server that does not react; none: for ever
    /// @throws EOFError when the server is gone; what it threw; KeyboardInterrupt; TimeoutError
    ///     when it accepts no further connection in time
    result ask(std::span<const std::byte> request,
               std::optional<Timeout> patience = Timeout(std::chrono::seconds(1))) {
        line* const used = take_line(Deadline(to_.patience));
        result got;
        bool asked = false;
        bool interrupted = false;
        try {
            send_releases(*used, Deadline());
            used->send(request);
            asked = true;
            interrupted = !receive(*used, got, patience);
        } catch (const KeyboardInterrupt&) {
            if (asked)
                set_aside(used, std::move(got.message));
            else
                give_back(used);
            throw;
        } catch (const EOFError&) {
            discard(used);
            break_off();
            throw_gone();
        } catch (...) {
            discard(used);
            throw;
        }
        give_back(used);
        read(got);
        if (got.how == status::cancelled)
            throw_interrupt();
        if (interrupted)
            interrupt_pending = true;  // the answer was on its way: the next call throws
        if (got.how == status::failed)
            std::rethrow_exception(load_exception(got.body));
        return got;
    }

    /// Asks the server to end, and waits for no answer.
    /// @throws as ask; TimeoutError when it could not be asked in time
    void end_server(Deadline deadline) {
        line* const used = take_line(deadline);
        const request_header wish{verb::shutdown, 0, 0};
        try {
            used->send(std::as_bytes(std::span(&wish, 1)), deadline);
        } catch (...) {
            discard(used);
            throw;
        }
        discard(used);
    }

    /// The process has one more handle of an object.
    /// @param granted how many references the server has given it for that
    void add(object_id id, std::uint64_t granted = 0) {
        const std::scoped_lock lock(mutex_);
        held& entry = held_[id];
        ++entry.handles;
        entry.granted += granted;
    }
    /// It has one less; the server hears of the last.
    void drop(object_id id) noexcept {
        try {
            line* free = nullptr;
            {
                const std::scoped_lock lock(mutex_);
                const auto found = held_.find(id);
                if (found == held_.end() || --found->second.handles > 0)
                    return;
                released_.push_back({id, found->second.granted});
                held_.erase(found);
                if (idle_.empty())
                    return;  // the next request takes it along
                free = idle_.back();
                idle_.pop_back();
            }
            try {
                send_releases(*free, Deadline(std::chrono::seconds(0)));
            } catch (...) {
                // no room, or the server is gone: the next request tells it, or finds out
            }
            give_back(free);
        } catch (...) {
            // no memory: the server keeps the object until the session ends
        }
    }

    /// From here on the end of this process leaves its locks as they are.
    void say_goodbye() noexcept {
        try {
            line* free = nullptr;
            {
                const std::scoped_lock lock(mutex_);
                if (idle_.empty())
                    return;
                free = idle_.back();
                idle_.pop_back();
            }
            const request_header farewell{verb::goodbye, 0, 0};
            free->send(std::as_bytes(std::span(&farewell, 1)), Deadline(std::chrono::seconds(0)));
            give_back(free);
        } catch (...) {
            // the server is gone, or stopped
        }
    }

    // Around a fork. The child gets a session of its own that begins with this one's references.
    void before_fork() noexcept {
        mutex_.lock();
        inheritance_.reset();
        if (broken_)
            return;
        try {
            const Deadline deadline(std::chrono::seconds(1));
            inheritance_ = std::make_unique<line>(to_, deadline);
            const hello greeting{.program = program_fingerprint(), .parent = id_};
            heir_ = inheritance_->greet(greeting, deadline).session;
        } catch (const KeyboardInterrupt&) {
            inheritance_.reset();
            interrupt_pending = true;
        } catch (...) {
            inheritance_.reset();  // the child's calls will say that the server is gone
        }
    }
    void after_fork_in_parent() noexcept {
        inheritance_.reset();
        mutex_.unlock();
    }
    void after_fork_in_child() noexcept {
        lines_.clear();  // also those in use by threads that do not exist here
        idle_.clear();
        aside_.clear();
        released_.clear();
        for (auto& [id, entry] : held_)
            entry.granted = 1;
        broken_ = inheritance_ == nullptr;
        if (inheritance_) {
            id_ = heir_;
            lines_.push_back(std::move(inheritance_));
            idle_.push_back(lines_.back().get());
        }
        mutex_.unlock();
    }
    /// In a process that is to have nothing to do with its parent's managers.
    void abandon() noexcept {
        const std::scoped_lock lock(mutex_);
        lines_.clear();
        idle_.clear();
        aside_.clear();
        broken_ = true;
    }

  private:
    struct held {
        std::uint64_t handles = 0;
        std::uint64_t granted = 0;
    };
    struct unanswered {
        line* used;
        heap_buffer message;
    };
    struct released {
        object_id id;
        std::uint64_t count;
    };

    [[noreturn]] void throw_gone() const {
        throw EOFError("manager at " + to_text(to_.address) + ": the server is gone");
    }
    /// @param deadline for a new connection
    line* take_line(Deadline deadline) {
        {
            const std::scoped_lock lock(mutex_);
            if (broken_)
                throw_gone();
            if (idle_.empty())
                look_aside();
            if (!idle_.empty()) {
                line* const free = idle_.back();
                idle_.pop_back();
                return free;
            }
        }
        std::unique_ptr<line> made;
        try {
            made = std::make_unique<line>(to_, deadline);
            made->greet({.program = program_fingerprint(), .session = id_}, deadline);
        } catch (const std::system_error& error) {
            if (error.code() != std::errc::connection_refused &&
                error.code() != std::errc::no_such_file_or_directory)
                throw;
            throw_gone();
        } catch (const AuthenticationError&) {  // the key was right before: it died meanwhile
            throw_gone();
        }
        const std::scoped_lock lock(mutex_);
        lines_.push_back(std::move(made));
        return lines_.back().get();
    }
    /// The server has not reacted to an interrupt: its answer comes some time, to nobody.
    void set_aside(line* used, heap_buffer begun) {
        const std::scoped_lock lock(mutex_);
        aside_.push_back({used, std::move(begun)});
    }
    /// Lines whose answer has come can be used again.
    void look_aside() {
        std::erase_if(aside_, [&](unanswered& each) {
            try {
                if (!each.used->receive(each.message, Deadline(std::chrono::seconds(0))))
                    return false;
                result got;
                got.message = std::move(each.message);
                read(got);
                for (const object_id id : got.granted)
                    released_.push_back({id, 1});
                idle_.push_back(each.used);
                return true;
            } catch (const KeyboardInterrupt&) {
                interrupt_pending = true;
                return false;
            } catch (const std::exception&) {
                return true;  // it stays with the lines, unused
            }
        });
    }
    void give_back(line* used) {
        const std::scoped_lock lock(mutex_);
        if (!broken_ && used->intact())
            idle_.push_back(used);
    }
    void discard(line* used) noexcept {
        const std::scoped_lock lock(mutex_);
        std::erase_if(lines_, [&](const auto& each) { return each.get() == used; });
    }
    /// The server is gone: others need not find out for themselves.
    void break_off() noexcept {
        const std::scoped_lock lock(mutex_);
        broken_ = true;
        for (line* const each : std::exchange(idle_, {}))
            std::erase_if(lines_, [&](const auto& one) { return one.get() == each; });
    }

    void send_releases(line& used, Deadline deadline) {
        std::vector<released> now;
        {
            const std::scoped_lock lock(mutex_);
            if (released_.empty()) [[likely]]
                return;
            now.swap(released_);
        }
        heap_buffer message;
        message.append_value(request_header{verb::release, 0, 0});
        message.append_value(static_cast<std::uint64_t>(now.size()));
        message.append(now.data(), now.size() * sizeof(released));
        try {
            used.send(message.bytes(), deadline);
        } catch (...) {
            const std::scoped_lock lock(mutex_);
            released_.insert(released_.end(), now.begin(), now.end());
            throw;
        }
    }

    /// @returns false when an interrupt came before the answer
    static bool receive(line& used, result& got, std::optional<Timeout> patience) {
        try {
            used.receive(got.message);
            return true;
        } catch (const KeyboardInterrupt&) {
            const request_header wish{verb::cancel, 0, 0};
            used.send(std::as_bytes(std::span(&wish, 1)));
            if (!used.receive(got.message, patience ? Deadline(*patience) : Deadline()))
                throw;
            return false;
        }
    }
    static void read(result& got) {
        got.body = input_cursor(line::body_of(got.message));
        const auto header = got.body.read_value<answer_header>();
        got.how = header.how;
        const std::size_t count = header.grants;
        if (count > got.body.remaining() / sizeof(object_id))
            throw UnpicklingError("manager: an answer is damaged");
        got.granted.resize(count);
        got.body.read(got.granted.data(), count * sizeof(object_id));
    }

    const server_address to_;
    std::uint64_t server_ = 0;
    std::uint64_t id_ = 0;

    std::mutex mutex_;
    bool broken_ = false;
    std::list<std::unique_ptr<line>> lines_;
    std::vector<line*> idle_;
    std::vector<unanswered> aside_;
    std::unordered_map<object_id, held> held_;
    std::vector<released> released_;
    std::unique_ptr<line> inheritance_;
    std::uint64_t heir_ = 0;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
