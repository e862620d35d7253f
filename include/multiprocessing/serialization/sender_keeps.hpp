// SPDX-License-Identifier: BSL-1.0
// A promise that spares handles a reference for bytes on their way.
#pragma once

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// While one lives, whoever writes values on this thread keeps the values themselves until their
/// bytes have been read or never will be. Then the bytes, which may be written again and read never
/// or twice, need keep nothing alive.
class sender_keeps {
  public:
    sender_keeps() noexcept { ++depth(); }
    sender_keeps(const sender_keeps&) = delete;
    sender_keeps& operator=(const sender_keeps&) = delete;
    ~sender_keeps() { --depth(); }

    [[nodiscard]] static bool promised() noexcept { return depth() > 0; }

  private:
    static int& depth() noexcept {
        static thread_local int count = 0;
        return count;
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
