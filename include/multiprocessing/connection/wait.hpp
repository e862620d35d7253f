// SPDX-License-Identifier: BSL-1.0
// connection::wait: which of several connections or descriptors can be read.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <ranges>
#include <span>
#include <vector>

#include <multiprocessing/connection/connection.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/stream_socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Which of the descriptors are readable; waits until one is.
inline std::vector<bool> which_ready(std::span<const int> fds, Deadline deadline) {
    for (;;) {
        check_interrupt();
        std::vector<bool> ready = os::poll_all_readable(fds, deadline.remaining());
        if (std::ranges::find(ready, true) != ready.end() || deadline.expired())
            return ready;
    }
}

inline std::vector<Connection> those_ready(std::vector<Connection> connections, Deadline deadline) {
    std::vector<int> fds;
    for (const Connection& connection : connections)
        fds.push_back(connection.fileno());
    const std::vector<bool> ready = detail::which_ready(fds, deadline);
    std::size_t next = 0;
    std::erase_if(connections, [&](const Connection&) { return !ready[next++]; });
    return connections;
}

inline std::vector<int> those_ready(std::vector<int> fds, Deadline deadline) {
    const std::vector<bool> ready = detail::which_ready(fds, deadline);
    std::size_t next = 0;
    std::erase_if(fds, [&](int) { return !ready[next++]; });
    return fds;
}

template <class Range>
concept waitable_range = std::ranges::input_range<Range> &&
    (std::same_as<std::ranges::range_value_t<Range>, Connection> ||
     std::same_as<std::ranges::range_value_t<Range>, int>);

template <waitable_range Range>
auto copy_of(Range&& range) {
    std::vector<std::ranges::range_value_t<Range>> copy;
    for (auto&& element : range)
        copy.push_back(element);
    return copy;
}

}  // namespace detail

namespace connection {

/// Waits until at least one of several connections, or descriptors, can be read or has ended.
/// @param objects a range or a braced list of Connections, or of descriptors: `c.fileno()`,
///     `p.sentinel()`, `listener.fileno()`, an open file of any kind
/// @param timeout default: for ever, also when the list is empty
/// @returns those that are ready, in their order; none when the timeout passed
/// @throws ValueError when a Connection is closed; std::system_error (EBADF) when a descriptor is
/// @note Does not keep the descriptors open: nobody may close them meanwhile.
/// @par Python `multiprocessing.connection.wait`
template <detail::waitable_range Range>
auto wait(Range&& objects, Timeout timeout) {
    return detail::those_ready(detail::copy_of(objects), detail::Deadline(timeout));
}
template <detail::waitable_range Range>
auto wait(Range&& objects) {
    return detail::those_ready(detail::copy_of(objects), detail::Deadline());
}
inline std::vector<Connection> wait(std::initializer_list<Connection> objects, Timeout timeout) {
    return detail::those_ready(std::vector(objects), detail::Deadline(timeout));
}
inline std::vector<Connection> wait(std::initializer_list<Connection> objects) {
    return detail::those_ready(std::vector(objects), detail::Deadline());
}
inline std::vector<int> wait(std::initializer_list<int> descriptors, Timeout timeout) {
    return detail::those_ready(std::vector(descriptors), detail::Deadline(timeout));
}
inline std::vector<int> wait(std::initializer_list<int> descriptors) {
    return detail::those_ready(std::vector(descriptors), detail::Deadline());
}

}  // namespace connection
}  // namespace v0
}  // namespace multiprocessing
