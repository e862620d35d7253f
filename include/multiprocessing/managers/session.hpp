// SPDX-License-Identifier: BSL-1.0
// A client process's side of a manager: its connections, the references that it holds, and what a
// fork does to both.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <multiprocessing/connection/address.hpp>
#include <multiprocessing/connection/authentication.hpp>
#include <multiprocessing/connection/connection_end.hpp>
#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/managers/hopeful_spin.hpp>
#include <multiprocessing/managers/protocol.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/net.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/thread_id.hpp>
#include <multiprocessing/process/role_code.hpp>
#include <multiprocessing/serialization/exception.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// Where a server is, and what one must know to be let in.
struct server_address {
    connection::Address address;
    std::optional<std::string> authkey;
    Timeout patience = handshake_patience;  ///< for a connection to be accepted and authenticated
};

/// One connection of a session; one thread at a time uses it.
class line {
  public:
    /// @throws TimeoutError, AuthenticationError or std::system_error when the server cannot be
    ///     reached in time
    line(const server_address& to, Timeout patience) : connection_(connect(to, patience)) {
        if (to.authkey) {
            handshake messages(connection_, patience);
            detail::answer_challenge(messages, *to.authkey);
            detail::deliver_challenge(messages, *to.authkey);
        }
    }

    welcome greet(const hello& greeting, Timeout patience) {
        send(std::as_bytes(std::span(&greeting, 1)));
        heap_buffer reply;
        if (!receive(reply, Deadline(patience)))
            throw TimeoutError("manager: the server does not answer");
        const auto body = body_of(reply);
        if (body.size() != sizeof(welcome))
            throw ProcessError("manager: what listens there is no manager");
        const auto text = input_cursor(body).read_value<welcome>();
        if (text.magic != hello::expected_magic)
            throw ProcessError("manager: what listens there is another kind of manager");
        return text;
    }

    void send(std::span<const std::byte> message, Deadline deadline = Deadline()) {
        end().send(message, deadline);
    }
    /// Receives one message with its length before it.
    /// @param buffer what has arrived of it stays there when this throws, and is gone on with
    /// @returns false when it was not complete at the deadline
    /// @throws EOFError when the server is gone; KeyboardInterrupt
    bool receive(heap_buffer& buffer, Deadline deadline = Deadline()) {
        const int fd = end().fileno();
        for (;;) {
            const auto place = find_frame(buffer.bytes());
            const std::uint64_t whole = place ? place->begin + place->length : 0;
            if (place && buffer.size() >= whole)
                return true;
            const std::size_t step =
                std::clamp<std::uint64_t>(whole - std::min<std::uint64_t>(whole, buffer.size()),
                                          least_step, std::max(most_step, buffer.size()));
            const std::span target(buffer.reserve(step), step);
            os::transfer got;
            const auto take = [&] {
                got = os::receive_some(fd, target);
                return got.state != os::transfer_state::would_block;
            };
            if (buffer.size() == 0)
                spin_(take);
            else
                take();
            if (got.state == os::transfer_state::closed)
                throw EOFError("manager: the server is gone");
            if (got.state == os::transfer_state::done) {
                buffer.commit(got.size);
                continue;
            }
            check_interrupt();
            if (deadline.expired())
                return false;
            os::poll_readable(fd, deadline.remaining());
        }
    }
    /// @pre receive() has returned true
    static std::span<const std::byte> body_of(const heap_buffer& buffer) {
        const auto place = find_frame(buffer.bytes());
        return buffer.bytes().subspan(place->begin);
    }

  private:
    static constexpr std::size_t least_step = std::size_t{1} << 10;
    static constexpr std::size_t most_step = std::size_t{256} << 10;

    static Connection connect(const server_address& to, Timeout patience) {
        const Deadline deadline(patience);
        const auto candidates = socket_addresses(to.address);
        for (std::size_t i = 0;; ++i) {
            try {
                return connection_access::make(os::connect_stream(candidates[i], wait_slice, [&] {
                    check_interrupt();
                    if (deadline.expired())
                        throw TimeoutError("manager at " + to_text(to.address) +
                                           ": the server accepts no connection");
                }));
            } catch (const std::system_error& error) {
                if (i + 1 == candidates.size())
                    throw std::system_error(error.code(), "manager at " + to_text(to.address));
            }
        }
    }
    [[nodiscard]] connection_end& end() const { return connection_access::end(connection_); }

    Connection connection_;
    hopeful_spin spin_;
};

/// What a request brought.
struct result {
    status how = status::done;
    heap_buffer message;
    std::vector<object_id> granted;
    input_cursor body;
};

/// One client process and one server. Any thread may call any member.
class session : public std::enable_shared_from_this<session> {
  public:
    /// @throws as line
    explicit session(server_address to) : to_(std::move(to)) {
        auto first = std::make_unique<line>(to_, to_.patience);
        const welcome reply = first->greet({.program = program_fingerprint()}, to_.patience);
        server_ = reply.server;
        id_ = reply.session;
        same_program_ = reply.same_program != 0;
        lines_.push_back(std::move(first));
        idle_.push_back(lines_.back().get());
    }
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session() { say_goodbye(); }

    [[nodiscard]] std::uint64_t server() const noexcept { return server_; }
    [[nodiscard]] const server_address& to() const noexcept { return to_; }
    [[nodiscard]] bool same_program() const noexcept { return same_program_; }

    /// Sends a request and waits for its answer.
    /// @param patience after an interrupt, with a server that does not react; none: for ever
    /// @throws EOFError when the server is gone; what it threw; KeyboardInterrupt
    result ask(std::span<const std::byte> request,
               std::optional<Timeout> patience = Timeout(std::chrono::seconds(1))) {
        line* const used = take_line();
        result got;
        bool interrupted = false;
        try {
            send_releases(*used, Deadline());
            used->send(request);
            interrupted = !receive(*used, got, patience);
        } catch (const KeyboardInterrupt&) {
            set_aside(used, std::move(got.message));
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
            constexpr std::chrono::seconds patience{1};
            inheritance_ = std::make_unique<line>(to_, patience);
            const hello greeting{.program = program_fingerprint(), .parent = id_};
            heir_ = inheritance_->greet(greeting, patience).session;
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
    line* take_line() {
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
            made = std::make_unique<line>(to_, to_.patience);
            made->greet({.program = program_fingerprint(), .session = id_}, to_.patience);
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
        if (!broken_)
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
    bool same_program_ = false;

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
