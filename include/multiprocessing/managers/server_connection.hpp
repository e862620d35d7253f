// SPDX-License-Identifier: BSL-1.0
// One connection as a manager's server sees it: authentication, requests and answers, no waiting.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <multiprocessing/connection/authentication.hpp>
#include <multiprocessing/connection/frame.hpp>
#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/objects.hpp>
#include <multiprocessing/managers/protocol.hpp>
#include <multiprocessing/os/descriptor.hpp>
#include <multiprocessing/os/random.hpp>
#include <multiprocessing/os/stream_socket.hpp>
#include <multiprocessing/process/role_code.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

class server_connection final : public call {
  public:
    /// @param key empty: none is asked for
    /// @param answered where connections that have something to send put themselves
    server_connection(os::descriptor socket, objects& held, const std::optional<std::string>& key,
                      std::vector<int>& answered)
        : socket_(std::move(socket)), objects_(held), key_(key), answered_(answered) {
        if (!key_) {
            stage_ = stage::greeting;
            return;
        }
        std::array<char, 40> random{};
        os::fill_random(random.data(), random.size());
        challenge_ = "{sha256}" + std::string(random.data(), random.size());
        send_text(std::string(challenge_mark) + challenge_);
    }
    ~server_connection() {
        orphan();
        if (session != nullptr && --session->connections == 0)
            objects_.close_session(*session);
    }

    [[nodiscard]] bool authenticated() const noexcept { return stage_ == stage::open; }
    [[nodiscard]] server_clock::time_point begun() const noexcept { return begun_; }
    /// Nothing more will come of it.
    [[nodiscard]] bool over() const noexcept { return over_ && (broken_ || !has_output()); }
    [[nodiscard]] bool wants_to_read() const noexcept {
        return !over_ && out_.size() - sent_ < most_unread;
    }
    [[nodiscard]] bool has_output() const noexcept { return sent_ < out_.size(); }

    /// Reads what is there, at most a step of it, and serves it.
    void read() {
        if (!wants_to_read())
            return;
        // memory is taken as the bytes arrive, whatever length was announced
        const std::size_t missing = wanted_ - std::min(wanted_, in_.size());
        const std::size_t step = std::clamp(missing, least_step, most_step);
        try {
            const std::span place(in_.reserve(step), step);
            const os::transfer got = os::receive_some(socket_.get(), place);
            if (got.state == os::transfer_state::closed)
                return break_off();
            if (got.state == os::transfer_state::done)
                in_.commit(got.size);
        } catch (const std::exception&) {
            return break_off();
        }
        take_messages();
    }
    /// Sends what there is room for, at most a step of it.
    void write() {
        if (!has_output() || broken_)
            return;
        try {
            const auto rest = out_.bytes().subspan(sent_);
            const auto step = rest.first(std::min(rest.size(), most_step));
            const os::transfer sent = os::send_some(socket_.get(), step, {});
            if (sent.state == os::transfer_state::closed)
                return break_off();
            if (sent.state == os::transfer_state::done)
                sent_ += sent.size;
        } catch (const std::system_error&) {
            return break_off();
        }
        if (!has_output()) {
            empty(out_);
            sent_ = 0;
            // what was read meanwhile waits for no further event
            if (!over_)
                take_messages();
        }
    }

  private:
    enum class stage { challenged, asked, answered, greeting, open };
    static constexpr std::size_t most_unread = std::size_t{1} << 20;
    static constexpr std::size_t least_step = std::size_t{4} << 10;
    static constexpr std::size_t most_step = std::size_t{256} << 10;
    static constexpr std::size_t most_kept = std::size_t{1} << 20;

    /// A large message is rare: its memory is given back.
    static void drop_front(heap_buffer& buffer, std::size_t count) {
        const auto rest = buffer.bytes().subspan(count);
        if (buffer.size() > most_kept) {
            heap_buffer smaller;
            smaller.append(rest.data(), rest.size());
            buffer = std::move(smaller);
            return;
        }
        std::ranges::copy(rest, buffer.data());
        buffer.truncate(rest.size());
    }
    static void empty(heap_buffer& buffer) { drop_front(buffer, buffer.size()); }

    void break_off() noexcept { over_ = broken_ = true; }

    void take_messages() {
        std::size_t taken = 0;
        try {
            while (!over_ && wants_to_read()) {
                const auto rest = in_.bytes().subspan(taken);
                const auto place = find_frame(rest);
                if (!place)
                    break;
                if (stage_ != stage::open && place->length > longest_handshake_message)
                    throw UnpicklingError("manager: no message of a handshake is so long");
                wanted_ = place->begin + place->length;
                if (rest.size() < wanted_)
                    break;
                take_message(rest.subspan(place->begin, place->length));
                taken += wanted_;
            }
        } catch (const std::exception&) {  // it does not speak our language, or knows no key
            over_ = true;
        }
        if (taken > 0)  // while a large message arrives nothing moves
            drop_front(in_, taken);
    }

    void take_message(std::span<const std::byte> message) {
        if (stage_ == stage::open)
            return serve(message);
        const std::string_view text(reinterpret_cast<const char*>(message.data()), message.size());
        switch (stage_) {
            case stage::challenged:
                try {
                    check_answer(*key_, challenge_, text);
                } catch (const AuthenticationError&) {
                    send_text(failure_mark);
                    throw;
                }
                send_text(welcome_mark);
                stage_ = stage::asked;
                return;
            case stage::asked:
                if (!text.starts_with(challenge_mark))
                    throw AuthenticationError("manager: no challenge");
                send_text(challenge_answer(*key_, text.substr(challenge_mark.size())));
                stage_ = stage::answered;
                return;
            case stage::answered:
                if (text != welcome_mark)
                    throw AuthenticationError("manager: our answer was refused");
                stage_ = stage::greeting;
                return;
            default:
                return greet(message);
        }
    }

    void greet(std::span<const std::byte> message) {
        const auto greeting = input_cursor(message).read_value<hello>();
        if (greeting.magic != hello::expected_magic)
            throw UnpicklingError("manager: the client speaks another language");
        const bool same_program = greeting.program == program_fingerprint();
        session = greeting.session == 0 ? &objects_.open_session(greeting.parent, same_program)
                                        : objects_.find_session(greeting.session);
        if (session == nullptr)
            throw ValueError("manager: there is no such session");
        ++session->connections;
        stage_ = stage::open;
        const welcome reply{.server = objects_.number(),
                            .session = session->id,
                            .same_program = same_program ? 1u : 0u};
        send(std::as_bytes(std::span(&reply, 1)), {});
    }

    void serve(std::span<const std::byte> message) {
        if (open()) {  // while a request waits, only what needs no answer may follow
            const auto next = input_cursor(message).read_value<request_header>().what;
            if (next != verb::cancel && next != verb::release && next != verb::goodbye)
                throw UnpicklingError("manager: two requests at once on one connection");
            const input_cursor kept_arguments = in;
            objects_.execute(*this, message);
            in = kept_arguments;
            return;
        }
        objects_.execute(*this, message);
        if (open()) {  // parked: its arguments must outlive the message
            kept_.clear();
            kept_.append(message.data(), message.size());
            in = input_cursor(kept_.bytes().last(in.remaining()));
        }
    }

    void deliver(status how) override {
        if (orphaned())
            return;
        answer_header header{how, static_cast<std::uint32_t>(granted().size())};
        head_.clear();
        head_.append_value(header);
        for (const object_ptr& object : granted())
            head_.append_value(object->id);
        send(head_.bytes(), out.bytes());
        empty(out);
        empty(kept_);
    }
    void send(std::span<const std::byte> first, std::span<const std::byte> second) {
        const frame_header header(first.size() + second.size());
        // Without memory the client gets the whole answer or nothing of it.
        answered_.push_back(socket_.get());
        out_.reserve(header.bytes().size() + first.size() + second.size());
        out_.append(header.bytes().data(), header.bytes().size());
        out_.append(first.data(), first.size());
        out_.append(second.data(), second.size());
    }
    void send_text(std::string_view text) { send(std::as_bytes(std::span(text)), {}); }

    const os::descriptor socket_;
    objects& objects_;
    const std::optional<std::string>& key_;
    std::vector<int>& answered_;
    const server_clock::time_point begun_ = server_clock::now();
    stage stage_ = stage::challenged;
    bool over_ = false;
    bool broken_ = false;
    std::string challenge_;
    heap_buffer in_;
    std::size_t wanted_ = 0;  ///< the length of the message that is arriving
    heap_buffer kept_;
    heap_buffer head_;
    heap_buffer out_;
    std::size_t sent_ = 0;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
