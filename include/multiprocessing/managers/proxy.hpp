// SPDX-License-Identifier: BSL-1.0
// What every proxy is: a counted handle to an object in a manager's server that travels anywhere.
#pragma once

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <multiprocessing/connection/address.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/compound_operators.hpp>
#include <multiprocessing/managers/request.hpp>
#include <multiprocessing/serialization/checks.hpp>
#include <multiprocessing/serialization/sender_keeps.hpp>
#include <multiprocessing/serialization/type_name.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// A proxy as it travels.
struct proxy_token {
    std::uint64_t server = 0;
    object_id object = 0;
    std::uint64_t type = 0;
    std::uint64_t ticket = 0;  ///< 0: the bytes are inside a message to or from that server
};
/// The sender has a handle until the proxy has arrived.
inline constexpr std::uint64_t no_ticket = 1;
static_assert(std::is_trivially_copyable_v<proxy_token> && sizeof(proxy_token) == 32);

class proxy_base {
  public:
    using multiprocessing_handle = void;

    /// Two proxies are equal when they name the same object.
    friend bool operator==(const proxy_base& a, const proxy_base& b) noexcept {
        if (!a.reference_ || !b.reference_)
            return a.reference_ == b.reference_;
        return a.reference_->server() == b.reference_->server() &&
               a.reference_->id() == b.reference_->id();
    }

    /// How the library makes proxies, and gets at what they name.
    void refer_to(std::shared_ptr<const reference> object) { reference_ = std::move(object); }
    [[nodiscard]] const reference& referred() const {
        if (!reference_)
            throw ValueError("a proxy that names no object was used");
        return *reference_;
    }

  protected:
    proxy_base() = default;
    ~proxy_base() = default;
    proxy_base(const proxy_base&) = default;
    proxy_base& operator=(const proxy_base&) = default;
    proxy_base(proxy_base&&) = default;
    proxy_base& operator=(proxy_base&&) = default;

    [[nodiscard]] request ask(verb what) const { return {referred(), what}; }

    /// Has the server call a function with the object.
    template <class F>
    [[nodiscard]] answer run(sent_function call_it, const F& f) const {
        return ask(verb::run).function(call_it, f).send();
    }

    template <class Archive>
    void travel(Archive& archive, std::uint64_t type) {
        if constexpr (Archive::is_saving::value)
            depart(archive, type);
        else
            arrive(archive, type);
    }

  private:
    template <class Archive>
    void depart(Archive& archive, std::uint64_t type) {
        if (!reference_)
            throw PicklingError("pickling: a proxy that names no object");
        proxy_token token{reference_->server(), reference_->id(), type, 0};
        journey* const way = journey::current();
        if (way != nullptr && way->server() == token.server) {
            way->add_written(token.object);
            archive& token;
            return;
        }
        if (!reference_->own())
            throw PicklingError("pickling: a proxy leaves its manager's server");
        token.ticket =
            sender_keeps::promised()
                ? no_ticket
                : request(*reference_, verb::ticket).send().template number<std::uint64_t>();
        server_address to = reference_->own()->to();
        archive& token& to.address& to.authkey;
    }

    template <class Archive>
    void arrive(Archive& archive, std::uint64_t type) {
        proxy_token token;
        archive& token;
        if (token.type != type)
            throw UnpicklingError("unpickling: a proxy of another type");
        journey* const way = journey::current();
        if (token.ticket == 0) {
            if (way == nullptr || way->server() != token.server)
                throw UnpicklingError("unpickling: a proxy outside of its manager's messages");
            reference_ = std::make_shared<reference>(token.server, way->own(), token.object);
            return;
        }
        server_address to;
        archive& to.address& to.authkey;
        const auto own = sessions::instance().find_or_open(token.server, to);
        const answer granted =
            request(token.server, own, token.object, verb::refer).number(token.ticket).send();
        reference_ = std::make_shared<reference>(token.server, own, token.object);
    }

    std::shared_ptr<const reference> reference_;
};

/// @tparam Derived the proxy's own type, which travels with it
template <class Derived>
class proxy : public proxy_base {
  public:
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        this->travel(archive, type_tag<Derived>());
    }

  protected:
    ~proxy() = default;
    proxy() = default;
    proxy(const proxy&) = default;
    proxy& operator=(const proxy&) = default;
    proxy(proxy&&) = default;
    proxy& operator=(proxy&&) = default;
};

/// A place of a container: reads and writes through to the server.
/// @tparam Place has `T read() const` and `void write(const T&) const`
template <class T, class Place>
class element : public compound_operators<element<T, Place>, T> {
  public:
    explicit element(Place place) : place_(std::move(place)) {}
    element(const element&) = default;
    ~element() = default;

    operator T() const { return place_.read(); }
    [[nodiscard]] T get() const { return place_.read(); }
    const element& operator=(const T& value) const {
        place_.write(value);
        return *this;
    }
    /// Writes through, like the references of std::vector<bool>.
    element& operator=(const element& other) {
        place_.write(other.get());
        return *this;
    }
    /// Members of the value: those of a copy of it, and of a proxy that it is.
    [[nodiscard]] auto operator->() const requires std::is_class_v<T> {
        struct holder {
            T value;
            T* operator->() { return &value; }
        };
        return holder{place_.read()};
    }

    friend bool operator==(const element& a, const T& b) { return a.get() == b; }
// Numbers compare as the language has it, `n == 0` for an unsigned n, say.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
    template <class Number>
        requires(std::is_arithmetic_v<T>&& std::is_arithmetic_v<Number> && !std::same_as<Number, T>)
    friend bool operator==(const element& a, Number b) {
        return a.get() == b;
    }
#pragma GCC diagnostic pop
    friend bool operator==(const element& a, const element& b) {
        return a.get() == b.get();
    }
    template <class C, class Traits>
        requires requires(std::basic_ostream<C, Traits>& out, const T& value) {
            out << value;
        }
    friend std::basic_ostream<C, Traits>& operator<<(std::basic_ostream<C, Traits>& out,
                                                     const element& of) {
        out << of.get();
        return out;
    }

  private:
    Place place_;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
