// SPDX-License-Identifier: BSL-1.0
// Where values that hold proxies are on their way to while they are written or read.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <multiprocessing/managers/protocol.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

class session;
class objects;

/// While one lives, values that this thread writes or reads are messages to or from one server:
/// proxies of its objects travel as bare ids. They nest.
class journey {
  public:
    /// @param own the client's session with that server, which outlives this; null in the server
    ///     itself
    journey(std::uint64_t server, const std::shared_ptr<session>& own)
        : server_(server), own_(own), outer_(std::exchange(current(), this)) {}
    journey(const journey&) = delete;
    journey& operator=(const journey&) = delete;
    ~journey() { current() = outer_; }

    /// Null for bytes that go anywhere.
    static journey*& current() noexcept {
        static thread_local journey* object = nullptr;
        return object;
    }

    [[nodiscard]] std::uint64_t server() const noexcept { return server_; }
    [[nodiscard]] const std::shared_ptr<session>& own() const noexcept { return own_; }

    /// The objects whose proxies were written since it was asked last.
    std::vector<object_id> take_written() noexcept { return std::exchange(written_, {}); }
    void add_written(object_id id) { written_.push_back(id); }

  private:
    std::uint64_t server_;
    const std::shared_ptr<session>& own_;
    std::vector<object_id> written_;
    journey* outer_;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
