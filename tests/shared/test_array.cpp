// SPDX-License-Identifier: BSL-1.0
// Array and RawArray: what they are made from, and that a copy names the same elements.
#include <multiprocessing/shared/array.hpp>

#include <ranges>
#include <sstream>
#include <stdexcept>
#include <vector>

#include <multiprocessing/serialization/pickle.hpp>

#include "synchronize/core_tools.hpp"

using namespace core_test;
namespace mp = multiprocessing;

TEST_CASE("An Array holds zeros, a list or a range", "[shared]") {
    const mp::Array<double> zeros(3);
    CHECK((zeros[0] == 0 && zeros[2] == 0 && zeros.size() == 3));
    const mp::Array<int> list{1, 2, 3};
    CHECK((list[0] == 1 && list[2] == 3 && list.get_obj().size() == 3));
    const std::vector<float> values{1, 2};
    const mp::RawArray range(values);
    CHECK((range.size() == 2 && range[1] == 2));
    const auto odd = [](int n) { return n % 2 == 1; };
    const mp::Array filtered(list | std::views::filter(odd));  // a view without a const begin()
    CHECK((filtered.size() == 2 && filtered[1] == 3));
    std::istringstream text("4 5 6");
    const mp::RawArray<long> streamed(std::views::istream<int>(text));  // which is read but once
    CHECK((streamed.size() == 3 && streamed[2] == 6));
    CHECK(mp::Array<double>(std::views::iota(std::size_t{0}, std::size_t{4}))[3] == 3);
    const mp::Lock lock;
    CHECK(mp::Array<int>(list | std::views::filter(odd), lock).get_lock() == lock);
    CHECK(mp::Array<char>(0).size() == 0);
    CHECK_THROWS_AS(mp::Array<int>(-1), mp::ValueError);
    CHECK_THROWS_AS(mp::Array<double>(std::int64_t{1} << 61), mp::ValueError);
}

TEST_CASE("An index out of range throws from at", "[shared]") {
    const mp::Array<int> array{1, 2};
    CHECK(array.at(1) == 2);
    CHECK_THROWS_AS(array.at(2), std::out_of_range);
}

TEST_CASE("A handle whose memory has no room for the elements is refused", "[shared]") {
    const mp::RawArray<double> array(10);
    const auto bytes = mp::dumps(array);
    const auto count = reinterpret_cast<std::uint64_t*>(array.data()) - 2;
    REQUIRE(*count == 10);
    *count = 11;
    CHECK_THROWS_AS(mp::loads<mp::RawArray<double>>(bytes), mp::UnpicklingError);
    *count = 10;
    CHECK(mp::loads<mp::RawArray<double>>(bytes) == array);
}

TEST_CASE("A copy, in braces too, and a pickled handle name the same array", "[shared]") {
    const mp::Lock lock;
    const mp::Array<int> array(4, lock);
    const mp::Array<int> copy{array};
    const auto arrived = mp::loads<mp::Array<int>>(mp::dumps(array));
    CHECK(arrived.get_lock() == lock);
    Child other([&] {
        copy[1] = 5;
        arrived[2] = 6;
        return 0;
    });
    CHECK(other.join() == 0);
    CHECK((array[1] == 5 && array[2] == 6));
}
