// SPDX-License-Identifier: BSL-1.0
// The forward declarations suffice to name types, and agree with the definitions that follow.
#include <multiprocessing/fwd.hpp>

namespace {

// before anything is defined
using Submit = multiprocessing::AsyncResult<int> (*)(multiprocessing::Pool<void>&, int);
using Read = multiprocessing::IMapIterator<int> (*)(const multiprocessing::Context&,
                                                    multiprocessing::StartMethod);
using Log = void (*)(multiprocessing::Logger&, multiprocessing::LogLevel);

}  // namespace

#include <multiprocessing.hpp>

#include <type_traits>

#include "support/catch.hpp"

namespace mp = multiprocessing;

TEST_CASE("fwd.hpp declares the types that the library defines", "[core]") {
    STATIC_REQUIRE(std::is_same_v<Submit, mp::AsyncResult<int> (*)(mp::Pool<>&, int)>);
    STATIC_REQUIRE(
        std::is_same_v<Read, mp::IMapIterator<int> (*)(const mp::Context&, mp::StartMethod)>);
    STATIC_REQUIRE(std::is_same_v<Log, void (*)(mp::Logger&, mp::LogLevel)>);
    STATIC_REQUIRE(std::is_class_v<mp::Pool<>>);
}
