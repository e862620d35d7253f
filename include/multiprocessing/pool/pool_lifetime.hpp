// SPDX-License-Identifier: BSL-1.0
// The calls that end a pool, which all pools have.
#pragma once

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// The end of a pool's life. @note A callback may call close and terminate, and not join.
template <class Pool>
class pool_lifetime {
  public:
    /// No more calls; the workers end when everything submitted is done, and every imap that was
    /// made before has drawn all its input. @par Python `Pool.close()`
    void close() { backend().running().close(); }
    /// Waits until the pool has ended; nothing more is drawn for an imap. @throws ValueError before
    /// close() or terminate(); KeyboardInterrupt under an InterruptGuard. @par Python `Pool.join()`
    void join() { backend().running().join(); }
    /// Ends at once: workers are killed, calls that are not done fail with CancelledError.
    /// @par Python `Pool.terminate()`, after which results that are not there are never set
    void terminate() { backend().running().terminate(); }

  protected:
    pool_lifetime() = default;
    pool_lifetime(pool_lifetime&&) noexcept = default;
    pool_lifetime& operator=(pool_lifetime&&) noexcept = default;
    ~pool_lifetime() = default;

  private:
    [[nodiscard]] const auto& backend() const noexcept {
        return static_cast<const Pool&>(*this).backend_of_pool();
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
