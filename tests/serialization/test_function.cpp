// SPDX-License-Identifier: BSL-1.0
// Functions, partial and argument lists.

#include <dlfcn.h>

#include "serialization/round_trip.hpp"
#include "support/catch.hpp"

namespace mp = multiprocessing;
namespace detail = multiprocessing::detail;

namespace {

int square(int x) {
    return x * x;
}
std::string join(const std::string& a, int n, char c) {
    return a + std::to_string(n) + c;
}
struct Base {
    virtual ~Base() = default;
    virtual int virt(int x) const { return x + 1; }
    int plain(int x) { return x + 2; }
};
struct Derived : Base {
    int virt(int x) const override { return x + 10; }
};
struct First {
    int one = 1;
};
struct Second {
    int two = 7;
    int shifted() const { return two; }
};
struct Both : First, Second {};
struct Scale {
    int factor = 1;
    int operator()(int x) const { return x * factor; }
};

}  // namespace

TEST_CASE("A function arrives as itself", "[function]") {
    REQUIRE(round_trip(&square) == &square);
    REQUIRE(round_trip(static_cast<int (*)(int)>(nullptr)) == nullptr);
    using Fn = int (*)(int);
    const std::vector<Fn> several{&square, nullptr};
    REQUIRE(round_trip(several) == several);
}

TEST_CASE("Member functions arrive, virtual ones and those of a second base too", "[function]") {
    Derived d;
    const auto virt = round_trip(&Base::virt);
    REQUIRE((static_cast<Base&>(d).*virt)(1) == 11);
    const auto plain = round_trip(&Base::plain);
    REQUIRE((d.*plain)(1) == 3);
    const auto shifted = round_trip(static_cast<int (Both::*)() const>(&Both::shifted));
    REQUIRE((Both().*shifted)() == 7);
    int (Base::*const null)(int) = nullptr;
    REQUIRE(round_trip(null) == nullptr);
}

TEST_CASE("A function of a shared object is named by the object and the offset", "[function]") {
    void* symbol = ::dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
    REQUIRE(symbol != nullptr);
    const auto code = detail::encode_code(symbol);
    REQUIRE(code.image != 0);
    REQUIRE(detail::decode_code(code) == symbol);
}

TEST_CASE("A library that is loaded later is found", "[function]") {
    REQUIRE(round_trip(&square) == &square);
    REQUIRE(::dlopen("libz.so.1", RTLD_NOW | RTLD_NOLOAD) == nullptr);
    void* library = ::dlopen("libz.so.1", RTLD_NOW);
    REQUIRE(library != nullptr);
    void* symbol = ::dlsym(library, "zlibVersion");
    REQUIRE(symbol != nullptr);
    CHECK(detail::decode_code(detail::encode_code(symbol)) == symbol);
}

TEST_CASE("What is no code is neither written nor read", "[function]") {
    static int data = 0;
    REQUIRE_THROWS_AS(detail::encode_code(&data), mp::PicklingError);
    REQUIRE_THROWS_AS(detail::decode_code({0, 1}), mp::UnpicklingError);
    REQUIRE_THROWS_AS(detail::decode_code({0, std::uint64_t(-1)}), mp::UnpicklingError);
    REQUIRE_THROWS_AS(detail::decode_code({12345, 4096}), mp::UnpicklingError);
}

TEST_CASE("The digest of the program is stable and not zero", "[function]") {
    REQUIRE(mp::os::program_digest() != 0);
    REQUIRE(mp::os::program_digest() == mp::os::program_digest());
}

TEST_CASE("partial binds the first arguments and can be sent", "[partial]") {
    const auto bound = mp::partial(join, "a", 2);
    STATIC_REQUIRE(mp::Picklable<std::decay_t<decltype(mp::partial(join, std::string("a"), 2))>>);
    REQUIRE(round_trip(bound)('x') == "a2x");  // the literal is kept as a std::string
    const auto pointer = mp::partial([](const char* c) { return *c; }, "z");
    STATIC_REQUIRE(!mp::Picklable<std::decay_t<decltype(pointer)>>);
    REQUIRE(pointer() == 'z');

    const auto text = mp::partial(join, std::string("b"));
    const auto sent = round_trip(text);
    REQUIRE(sent(3, 'y') == "b3y");
    STATIC_REQUIRE(std::is_same_v<detail::pack_of<decltype(sent)>, detail::pack<int, char>>);
    STATIC_REQUIRE(std::is_same_v<detail::result_of<decltype(sent)>, std::string>);
}

TEST_CASE("partial of partial, of objects and of member functions", "[partial]") {
    const auto inner = mp::partial(join, std::string("c"));
    const auto outer = round_trip(mp::partial(inner, 4));
    REQUIRE(outer('z') == "c4z");
    STATIC_REQUIRE(std::is_same_v<detail::pack_of<decltype(outer)>, detail::pack<char>>);
    REQUIRE(round_trip(mp::partial(Scale{3}, 5))() == 15);
    REQUIRE(round_trip(mp::partial([](int a, int b) { return a - b; }, 9))(4) == 5);
    REQUIRE(round_trip(mp::partial(&Scale::operator(), Scale{2}))(8) == 16);
}

TEST_CASE("partial keeps move-only values", "[partial]") {
    auto owns = mp::partial([](const std::unique_ptr<int>& p, int x) { return *p + x; },
                            std::make_unique<int>(40));
    auto moved = std::move(owns);
    REQUIRE(moved(2) == 42);
    REQUIRE(round_trip(moved)(3) == 43);
}

TEST_CASE("An argument list takes braces and tuples and converts", "[arguments]") {
    using List = mp::arguments<std::string, int>;
    STATIC_REQUIRE(std::is_same_v<detail::arguments_for<decltype(join)>,
                                  mp::arguments<std::string, int, char>>);
    const auto take = [](List list) { return std::move(list).take(); };
    REQUIRE(take({"text", 'a'}) == std::tuple(std::string("text"), 97));
    REQUIRE(take(std::tuple(std::string("t"), 1)) == std::tuple(std::string("t"), 1));
    const std::tuple<std::string, int> kept("k", 2);
    REQUIRE(take(kept) == kept);
    REQUIRE(take(std::tuple("literal", 'a')) == std::tuple(std::string("literal"), 97));
    REQUIRE(take(std::pair("pair", 4L)) == std::tuple(std::string("pair"), 4));
    List list{"copy", 3};
    List copy(list);
    REQUIRE(copy.values() == list.values());
}

TEST_CASE("An argument list moves what cannot be copied", "[arguments]") {
    using List = mp::arguments<std::unique_ptr<int>, std::vector<int>>;
    const auto take = [](List list) { return std::move(list).take(); };
    REQUIRE(*std::get<0>(take({std::make_unique<int>(5), std::vector<int>{1}})) == 5);
    auto made = take(std::tuple(std::make_unique<int>(6), std::vector<int>{1, 2}));
    REQUIRE(*std::get<0>(made) == 6);
    REQUIRE(std::get<1>(made).size() == 2);
}

TEST_CASE("Lists of nothing, of one, and of lists", "[arguments]") {
    const auto none = [](mp::arguments<> list) { return std::move(list).take(); };
    REQUIRE(none({}) == std::tuple<>());
    const auto one = [](mp::arguments<std::vector<int>> list) { return list.values(); };
    REQUIRE(std::get<0>(one({{1, 2, 3}})).size() == 3);
    REQUIRE(std::get<0>(one({std::vector<int>{1}})).size() == 1);
    const auto rows = [](std::initializer_list<mp::arguments<int, int>> list) {
        return list.size();
    };
    REQUIRE(rows({{2, 10}, {3, 2}}) == 2);
    REQUIRE(rows({std::pair(2, 10), std::pair(3L, 'a')}) == 2);
    // One argument that could be taken for the whole list leaves the others alone.
    using Any = mp::arguments<std::any, std::unique_ptr<int>>;
    const auto any = [](Any list) { return std::move(list).take(); };
    REQUIRE(*std::get<1>(any({std::pair(1, 2), std::make_unique<int>(3)})) == 3);
    // What a braced list does not convert, a tuple does not either.
    using Sizes = std::tuple<std::vector<int>>;
    STATIC_REQUIRE(!mp::detail::converts_to_list<Sizes, std::tuple<int>>);
    STATIC_REQUIRE(mp::detail::converts_to_list<std::tuple<long, int>, std::pair<int, short>&>);
    // A tuple or pair that is the only argument is no list of arguments.
    const auto pair = [](mp::arguments<std::pair<int, int>> list) { return list.values(); };
    REQUIRE(std::get<0>(pair({{1, 2}})) == std::pair(1, 2));
    REQUIRE(std::get<0>(pair({std::pair(1, 2)})) == std::pair(1, 2));
    REQUIRE(std::get<0>(pair(std::make_tuple(std::pair('a', 2L)))) == std::pair(97, 2));
    const auto tuple = [](mp::arguments<std::tuple<long>> list) { return list.values(); };
    REQUIRE(std::get<0>(tuple({std::tuple(7)})) == std::tuple(7L));
}
