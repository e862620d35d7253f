// SPDX-License-Identifier: BSL-1.0
// A request to an object of a manager and its answer, with values of any type in both.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/managers/objects.hpp>
#include <multiprocessing/managers/protocol.hpp>
#include <multiprocessing/managers/session.hpp>
#include <multiprocessing/managers/sessions.hpp>
#include <multiprocessing/managers/travel.hpp>
#include <multiprocessing/os/thread_id.hpp>
#include <multiprocessing/serialization/function.hpp>
#include <multiprocessing/serialization/pickle.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// One handle's share in an object. In the server itself, inside a function that it calls, it
/// names the object without keeping it.
class reference {
  public:
    /// @param own null in the server
    reference(std::uint64_t server, std::shared_ptr<session> own, object_id id)
        : server_(server), own_(std::move(own)), id_(id) {
        if (own_)
            own_->add(id_);
    }
    reference(const reference&) = delete;
    reference& operator=(const reference&) = delete;
    ~reference() {
        if (own_)
            own_->drop(id_);
    }

    [[nodiscard]] std::uint64_t server() const noexcept { return server_; }
    [[nodiscard]] const std::shared_ptr<session>& own() const noexcept { return own_; }
    [[nodiscard]] object_id id() const noexcept { return id_; }

  private:
    const std::uint64_t server_;
    const std::shared_ptr<session> own_;
    const object_id id_;
};

/// A request from inside a function that the server calls.
class inner_call final : public call {
  public:
    status how = status::done;

  private:
    void deliver(status answer) override { how = answer; }
};

/// @throws UnpicklingError when the bytes are not those of a T
template <class T>
T value_from(std::string_view bytes) {
    input_cursor cursor(std::as_bytes(std::span(bytes)));
    T value = load<T>(cursor);
    if (cursor.remaining() != 0)
        throw UnpicklingError("unpickling: bytes are left after a value");
    return value;
}

/// What came back. While it lives, the objects whose proxies are in it live.
class answer {
  public:
    answer(std::uint64_t server, std::shared_ptr<session> own, result got)
        : server_(server), own_(std::move(own)), got_(std::move(got)) {
        if (own_)
            for (const object_id id : got_.granted)
                own_->add(id, 1);
    }
    answer(const answer&) = delete;
    answer& operator=(const answer&) = delete;
    ~answer() {
        if (own_)
            for (const object_id id : got_.granted)
                own_->drop(id);
    }

    [[nodiscard]] bool done() const noexcept { return got_.how == status::done; }

    template <class Number>
    [[nodiscard]] Number number() {
        return got_.body.read_value<Number>();
    }
    [[nodiscard]] bool flag() { return number<std::uint8_t>() != 0; }
    [[nodiscard]] std::string_view bytes() { return take_bytes(got_.body); }
    /// @throws UnpicklingError when the bytes are not those of a T
    template <class T>
    [[nodiscard]] T value() {
        const journey here(server_, own_);
        return value_from<T>(bytes());
    }
    /// As many values as the answer says.
    template <class T>
    [[nodiscard]] std::vector<T> values() {
        std::vector<T> all;
        const std::size_t count = take_count(got_.body, sizeof(std::uint64_t));
        all.reserve(count);
        for (std::size_t i = 0; i < count; ++i)
            all.push_back(value<T>());
        return all;
    }
    template <class A, class B>
    [[nodiscard]] std::vector<std::pair<A, B>> pairs() {
        std::vector<std::pair<A, B>> all;
        const std::size_t count = take_count(got_.body, 2 * sizeof(std::uint64_t));
        all.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            A first = value<A>();
            all.emplace_back(std::move(first), value<B>());
        }
        return all;
    }
    /// What a function or a method returned.
    /// @throws UnpicklingError when that is no R
    template <class R>
    [[nodiscard]] R returned() {
        if (number<std::uint64_t>() != type_tag<R>())
            throw UnpicklingError("manager: the call returned another type than " +
                                  type_name(typeid(R)));
        const journey here(server_, own_);
        if constexpr (!std::is_void_v<R>)
            return load<R>(got_.body);
    }

  private:
    const std::uint64_t server_;
    const std::shared_ptr<session> own_;
    result got_;
};

/// Put together, sent once.
class request {
  public:
    request(const reference& to, verb what) : request(to.server(), to.own(), to.id(), what) {}
    request(std::uint64_t server, std::shared_ptr<session> own, object_id object, verb what)
        : server_(server), own_(std::move(own)) {
        out_.append_value(request_header{what, os::thread_id(), object});
    }

    template <class Number>
    request& number(Number number) {
        out_.append_value(number);
        return *this;
    }
    request& time(std::optional<Timeout> timeout) { return number(wait_time_of(timeout)); }
    request& bytes(std::string_view bytes) {
        managed::append_bytes(out_, bytes);
        return *this;
    }
    /// Bytes that a value alone has, with their size.
    template <class T>
    request& key(const T& key) {
        sized([&] { detail::save(out_, key); });
        return *this;
    }
    /// A value, with the objects whose proxies are in it.
    template <class T>
    request& value(const T& value) {
        out_.append_value(std::uint32_t{0});
        const std::size_t begin = out_.size();
        journey here(server_, own_);
        sized([&] { detail::save(out_, value); });
        const auto objects = here.take_written();
        if (objects.empty()) [[likely]]
            return *this;
        const std::vector<std::byte> written(out_.data() + begin, out_.data() + out_.size());
        out_.truncate(begin - sizeof(std::uint32_t));
        out_.append_value(static_cast<std::uint32_t>(objects.size()));
        out_.append(objects.data(), objects.size() * sizeof(object_id));
        out_.append(written.data(), written.size());
        return *this;
    }
    /// A number of things, each written by `write(*this, thing)`.
    template <class Range, class Write>
    request& each(Range&& things, Write write) {
        const std::size_t place = out_.size();
        std::uint64_t count = 0;
        out_.append_value(count);
        for (auto&& thing : things) {
            write(*this, thing);
            ++count;
        }
        std::memcpy(out_.data() + place, &count, sizeof count);
        return *this;
    }
    template <class T, class Range>
    request& values(Range&& things) {
        return each(std::forward<Range>(things),
                    [](request& to, const auto& thing) { to.value(static_cast<const T&>(thing)); });
    }
    /// What nobody keeps: a function, arguments.
    template <class Write>
    request& data(Write write) {
        const journey here(server_, own_);
        write(static_cast<output_buffer&>(out_));
        return *this;
    }
    /// A function for `verb::run`, and its data.
    template <class F>
    request& function(sent_function call_it, const F& f) {
        out_.append_value(encode_code(reinterpret_cast<void (*)()>(call_it)));
        return data([&](output_buffer& out) { detail::save(out, f); });
    }

    /// @param patience as session::ask
    answer send(std::optional<Timeout> patience = Timeout(std::chrono::seconds(1))) {
        if (!own_)
            return {server_, nullptr, ask_inside()};
        sessions::instance().say_goodbye_at_exit();
        return {server_, own_, own_->ask(out_.bytes(), patience)};
    }

  private:
    template <class Write>
    void sized(Write write) {
        const std::size_t place = out_.size();
        out_.append_value(std::uint64_t{0});
        write();
        const std::uint64_t size = out_.size() - place - sizeof size;
        std::memcpy(out_.data() + place, &size, sizeof size);
    }

    /// The server is this process, and busy with the function that calls.
    result ask_inside() {
        objects* const all = objects::current();
        if (all == nullptr || all->number() != server_)
            throw ValueError("a proxy that belongs to a manager's server was used outside of it");
        const auto what = input_cursor(out_.bytes()).read_value<request_header>().what;
        if (what == verb::acquire || what == verb::unlock || what == verb::wait)
            throw ValueError("a function in a manager's server cannot wait, nor hold a lock");
        session_state& own = all->open_session(0, true);
        inner_call asked;
        asked.session = &own;
        all->execute(asked, out_.bytes());
        const bool waits = asked.parked();
        if (waits)
            asked.orphan();
        all->keep_until_answered(own);
        all->close_session(own);
        if (waits)
            throw ValueError("a function in a manager's server cannot wait");
        result got;
        got.how = asked.how;
        got.message = std::move(asked.out);
        got.body = input_cursor(got.message.bytes());
        if (got.how == status::failed)
            std::rethrow_exception(load_exception(got.body));
        return got;
    }

    std::uint64_t server_;
    std::shared_ptr<session> own_;
    heap_buffer out_;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
