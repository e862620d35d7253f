// SPDX-License-Identifier: BSL-1.0
// Where a Listener is found: a path, an abstract name, or a host and a port.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/os/net.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace connection {

/// The address of a Listener: the path of a Unix socket; a name that begins with NUL, for one that
/// is in no file system; or a host and a port. Picklable.
/// @note No address at all stands for one that the Listener chooses.
/// @par Python a str, or a tuple of host and port
class Address {
  public:
    Address() = default;
    /// @param path also an abstract name, as in `"\0name"`
    template <std::size_t Size>
    Address(const char (&path)[Size])
        : path_(path[0] == '\0' ? std::string(path, Size - 1) : std::string(path)) {}
    template <std::convertible_to<std::string> Text>
        requires(!std::is_array_v<std::remove_reference_t<Text>>)
    Address(Text&& path) : path_(std::forward<Text>(path)) {}
    /// @param host a name, or an address of IPv4 or IPv6; empty: listen at all of this machine's
    /// @param port 0: one that the system chooses
    /// @throws ValueError when the port is not in 0 ... 65535
    template <std::integral Port>
    Address(std::string host, Port port)
        : host_(std::move(host)), port_(static_cast<std::uint16_t>(port)), internet_(true) {
        if (!std::in_range<std::uint16_t>(port))
            throw ValueError("Address: a port is a number from 0 to 65535");
    }

    /// No address was given.
    [[nodiscard]] bool empty() const noexcept { return !internet_ && path_.empty(); }
    /// It has a host and a port, and no path.
    [[nodiscard]] bool is_internet() const noexcept { return internet_; }
    [[nodiscard]] bool is_abstract() const noexcept {
        return !path_.empty() && path_.front() == '\0';
    }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] const std::string& host() const noexcept { return host_; }
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

    friend bool operator==(const Address&, const Address&) = default;

    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        archive& path_& host_& port_& internet_;
    }

  private:
    std::string path_;
    std::string host_;
    std::uint16_t port_ = 0;
    bool internet_ = false;
};

}  // namespace connection

namespace detail {

/// For messages: "host:port", the path, or "@name" of an abstract one.
inline std::string to_text(const connection::Address& address) {
    if (address.is_internet())
        return address.host() + ":" + std::to_string(address.port());
    return address.is_abstract() ? "@" + address.path().substr(1) : address.path();
}

/// What the system knows it by; at least one.
inline std::vector<os::socket_address> socket_addresses(const connection::Address& address) {
    if (address.is_internet())
        return os::resolve(address.host(), address.port());
    return {os::unix_address(address.path())};
}
inline connection::Address address_from(const os::socket_address& address) {
    if (address.is_unix())
        return os::unix_path(address);
    auto [host, port] = os::host_and_port(address);
    return {std::move(host), port};
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
