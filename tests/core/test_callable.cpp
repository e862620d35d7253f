// SPDX-License-Identifier: BSL-1.0
// What is read off the types of callables.
#include <cstdlib>
#include <functional>
#include <multiprocessing/core/callable.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

namespace detail = multiprocessing::detail;

namespace {

[[noreturn, maybe_unused]] void never_returns(int) {
    std::abort();
}

[[maybe_unused]] int square(int x) {
    return x * x;
}
[[maybe_unused]] double none() noexcept {
    return 0;
}
[[maybe_unused]] void writer(std::vector<int>& v) {
    v.clear();
}
[[maybe_unused]] const std::string& reader(const std::string& text, const int, char&&) {
    return text;
}
struct Model {
    int k = 0;
    int predict(const std::string&) const noexcept { return k; }
    long ref(int) & { return k; }
};
struct Overloaded {
    int operator()(int) const { return 1; }
    int operator()(double) const { return 2; }
};
struct Named {
    using multiprocessing_signature = detail::signature<char, long>;
    template <class T>
    char operator()(T) const {
        return 'c';
    }
};

template <class F, class R, class... A>
constexpr bool reads_as = std::is_same_v<detail::result_of<F>, R>&&
    std::is_same_v<detail::pack_of<F>, detail::pack<A...>>&& detail::known_callable<F>;

}  // namespace

TEST_CASE("A function is read through its type, pointer and reference alike", "[callable]") {
    STATIC_REQUIRE(reads_as<decltype(square), int, int>);
    STATIC_REQUIRE(reads_as<decltype(&square), int, int>);
    STATIC_REQUIRE(reads_as<decltype((square)), int, int>);
    STATIC_REQUIRE(reads_as<decltype(&square) const&, int, int>);
    STATIC_REQUIRE(reads_as<decltype(none), double>);
    STATIC_REQUIRE(reads_as<decltype(never_returns), void, int>);
    STATIC_REQUIRE(reads_as<decltype(&never_returns), void, int>);
}

TEST_CASE("Parameters and results are decayed", "[callable]") {
    STATIC_REQUIRE(reads_as<decltype(reader), std::string, std::string, int, char>);
    STATIC_REQUIRE(
        std::is_same_v<detail::tuple_of<decltype(reader)>, std::tuple<std::string, int, char>>);
}

TEST_CASE("Member functions take their object first", "[callable]") {
    STATIC_REQUIRE(reads_as<decltype(&Model::predict), int, Model, std::string>);
    STATIC_REQUIRE(reads_as<decltype(&Model::ref), long, Model, int>);
}

TEST_CASE("Function objects and lambdas are read through operator()", "[callable]") {
    int state = 0;
    auto lambda = [state](int a, const std::string&) mutable { return ++state + a; };
    STATIC_REQUIRE(reads_as<decltype(lambda), int, int, std::string>);
    STATIC_REQUIRE(reads_as<std::function<void(char)>, void, char>);
    STATIC_REQUIRE(reads_as<Named, char, long>);
    REQUIRE(lambda(1, "") == 2);
}

TEST_CASE("Overload sets, generic lambdas and other objects are unknown", "[callable]") {
    auto generic = [](auto x) { return x; };
    STATIC_REQUIRE(!detail::known_callable<decltype(generic)>);
    STATIC_REQUIRE(!detail::known_callable<Overloaded>);
    STATIC_REQUIRE(!detail::known_callable<int>);
    STATIC_REQUIRE(std::is_void_v<detail::item_of<Overloaded>>);
}

TEST_CASE("item_of is the first parameter, void without one", "[callable]") {
    STATIC_REQUIRE(std::is_same_v<detail::item_of<decltype(square)>, int>);
    STATIC_REQUIRE(std::is_void_v<detail::item_of<decltype(none)>>);
}

TEST_CASE("A reference to non-const writes, a reference to const does not", "[callable]") {
    STATIC_REQUIRE(detail::callable_of<decltype(writer)>::writes);
    STATIC_REQUIRE(!detail::callable_of<decltype(reader)>::writes);
    STATIC_REQUIRE(!detail::callable_of<decltype(square)>::writes);
}
