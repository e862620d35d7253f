// SPDX-License-Identifier: BSL-1.0
// The interface of section 12: version, errors, logger.
#include <exception>
#include <type_traits>

#include <multiprocessing.hpp>

namespace mp = multiprocessing;

static_assert(MULTIPROCESSING_VERSION_MAJOR + MULTIPROCESSING_VERSION_MINOR +
                  MULTIPROCESSING_VERSION_PATCH >=
              0);

template <class... E>
constexpr bool standard = (std::is_convertible_v<E*, std::exception*> && ...);
template <class... E>
constexpr bool of_processes = (std::is_convertible_v<E*, mp::ProcessError*> && ...);

static_assert(
    standard<mp::ProcessError, mp::PicklingError, mp::UnpicklingError, mp::ValueError, mp::EOFError,
             mp::Empty, mp::Full, mp::BrokenBarrierError, mp::KeyboardInterrupt>);
static_assert(
    of_processes<mp::TimeoutError, mp::BufferTooShort, mp::AuthenticationError, mp::WorkerLostError,
                 mp::RemoteError, mp::OwnerDiedError, mp::CancelledError>);
static_assert(!standard<mp::RemoteException>);

int main() {
    mp::get_logger().info("not seen");
    mp::log_to_stderr();
    mp::Logger& logger = mp::log_to_stderr(mp::LogLevel::info);
    logger.setLevel(mp::LogLevel::subwarning);
    logger.debug("not seen");
    logger.warning("seen");
    logger.error("seen");
    return logger.getEffectiveLevel() == mp::LogLevel::subwarning ? 0 : 1;
}
