// SPDX-License-Identifier: BSL-1.0
// The public promise of versions, errors and logging: it must compile without a warning.
#include <exception>
#include <multiprocessing.hpp>
#include <type_traits>

namespace mp = multiprocessing;

static_assert(MULTIPROCESSING_VERSION_MAJOR + MULTIPROCESSING_VERSION_MINOR +
                  MULTIPROCESSING_VERSION_PATCH >=
              0);

template <class... Errors>
constexpr bool standard = (std::is_convertible_v<Errors*, std::exception*> && ...);

static_assert(
    standard<mp::ProcessError, mp::TimeoutError, mp::BufferTooShort, mp::AuthenticationError,
             mp::WorkerLostError, mp::RemoteError, mp::OwnerDiedError, mp::CancelledError,
             mp::PicklingError, mp::UnpicklingError, mp::ValueError, mp::EOFError, mp::Empty,
             mp::Full, mp::BrokenBarrierError, mp::KeyboardInterrupt>);

int main() {
    mp::get_logger();
    mp::log_to_stderr(mp::LogLevel::info);
    return 0;
}
