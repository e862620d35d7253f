// SPDX-License-Identifier: BSL-1.0
// Every supported type comes back as it was.

#include <limits>
#include <numeric>
#include <stdexcept>

#include "serialization/round_trip.hpp"
#include "support/catch.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;

namespace {

enum class Color : short { red = -3, green = 300 };
enum class Flag : bool { no, yes };
struct Point {
    double x, y;
    std::string label;
    friend bool operator==(const Point&, const Point&) = default;
};
struct Plain {
    int a;
    char b;
    double c[2][2];
    friend bool operator==(const Plain&, const Plain&) = default;
};
struct Empty {
    friend bool operator==(const Empty&, const Empty&) = default;
};
struct Mixed {
    Empty e;
    bool b;
    Flag f;
    std::vector<Point> points;
    std::optional<Plain> plain;
    friend bool operator==(const Mixed&, const Mixed&) = default;
};
struct Tree {
    int value = 0;
    std::vector<Tree> children;
    friend bool operator==(const Tree&, const Tree&) = default;
};
struct Reluctant {
    Reluctant() = default;
    explicit Reluctant(int) { throw std::invalid_argument("no"); }
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& text;
    }
    std::string text;
};
struct List {
    int value = 0;
    std::unique_ptr<List> next;
};
class Explicit {
  public:
    explicit Explicit() = default;
    explicit Explicit(int value) : value_(value) {}
    [[nodiscard]] int value() const { return value_; }
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& value_;
    }
    friend auto operator<=>(const Explicit&, const Explicit&) = default;

  private:
    int value_ = 0;
};
struct HoldsExplicit {
    std::string name;
    Explicit member;
};

}  // namespace

// Functions of a program beside its types, with the names of the library's own.
namespace neighbours {
struct Record {
    std::string line;
    std::vector<int> numbers;
};
template <class Archive>
[[maybe_unused]] void save(Archive&, const Record&) {}
template <class Archive>
[[maybe_unused]] void encode(Archive&, const Record&) {}
template <class Archive>
[[maybe_unused]] void decode(Archive&, Record&) {}
template <class Archive>
[[maybe_unused]] void load_into(Archive&, Record&) {}
[[maybe_unused]] inline std::vector<std::string> fields(const Record&) {
    return {};
}
[[maybe_unused]] inline std::vector<std::string> fields(Record&) {
    return {};
}
}  // namespace neighbours

TEST_CASE("Numbers keep their values", "[pickle]") {
    REQUIRE(same_after_trip(0));
    REQUIRE(same_after_trip(std::numeric_limits<long long>::min()));
    REQUIRE(same_after_trip(-0.1));
    REQUIRE(same_after_trip(3.25L));
    REQUIRE(same_after_trip(true));
    REQUIRE(same_after_trip(false));
    REQUIRE(same_after_trip('x'));
    REQUIRE(same_after_trip(U'\u00e9'));
    REQUIRE(same_after_trip(Color::green));
    REQUIRE(same_after_trip(Flag::yes));
    REQUIRE(same_after_trip(std::byte{7}));
}

TEST_CASE("Strings of every character type keep their text", "[pickle]") {
    REQUIRE(same_after_trip(std::string()));
    REQUIRE(same_after_trip(std::string("a\0b", 3)));
    REQUIRE(same_after_trip(std::string(100000, 'x')));
    REQUIRE(same_after_trip(std::wstring(L"wide")));
    REQUIRE(same_after_trip(std::u8string(u8"\u00e9")));
    REQUIRE(same_after_trip(std::u16string(5000, u'y')));
    REQUIRE(same_after_trip(std::u32string(U"32")));
    REQUIRE(same_after_trip(std::filesystem::path("/usr/../bin")));
}

TEST_CASE("A string literal travels as a std::string", "[pickle]") {
    REQUIRE(mp::loads<std::string>(mp::dumps("text")) == "text");
    REQUIRE(mp::dumps("text") == mp::dumps(std::string("text")));
    const char full[] = {'a', 'b'};
    REQUIRE(mp::loads<std::string>(mp::dumps(full)) == "ab");
    const char padded[8] = "ab";
    REQUIRE(mp::loads<std::string>(mp::dumps(padded)) == "ab");
}

TEST_CASE("Members and elements may have an explicit default constructor", "[pickle]") {
    const auto read = round_trip(HoldsExplicit{"name", Explicit(7)});
    REQUIRE(read.name == "name");
    REQUIRE(read.member.value() == 7);
    REQUIRE(round_trip(std::array{Explicit(1), Explicit(2)})[1].value() == 2);
    const auto map =
        round_trip(std::map<Explicit, HoldsExplicit>{{Explicit(3), {"3", Explicit(4)}}});
    REQUIRE(map.at(Explicit(3)).member.value() == 4);
    REQUIRE(round_trip(std::set{Explicit(5)}).begin()->value() == 5);
}

TEST_CASE("The pairs of a map keep their const keys", "[pickle]") {
    REQUIRE(same_after_trip(std::pair<const std::string, int>("key", 1)));
    REQUIRE(same_after_trip(std::pair<const int, const std::string>(2, "value")));
    REQUIRE(same_after_trip(std::pair<const int, double>(3, 0.5)));
    REQUIRE(same_after_trip(std::tuple<int, const std::string, std::vector<int>>(4, "4", {5})));
    using Pair = std::map<std::string, std::vector<int>>::value_type;
    REQUIRE(same_after_trip(std::vector<Pair>{{"a", {1}}, {"b", {}}}));
    REQUIRE(same_after_trip(std::optional<Pair>(Pair{"c", {2}})));
    REQUIRE(same_after_trip(std::vector<std::pair<const int, double>>{{1, 0.5}, {2, 0.25}}));
    REQUIRE(same_after_trip(std::pair<const std::string, std::deque<int>>("d", {3})));
}

TEST_CASE("A program's functions may have the names of the library's own", "[pickle]") {
    const auto read = round_trip(std::vector<neighbours::Record>{{"line", {1, 2}}});
    REQUIRE(read.at(0).line == "line");
    REQUIRE(read.at(0).numbers == std::vector{1, 2});
}

TEST_CASE("Containers keep their elements and their order", "[pickle]") {
    REQUIRE(same_after_trip(std::vector<int>{}));
    REQUIRE(same_after_trip(std::vector<int>{1, 2, 3}));
    REQUIRE(same_after_trip(std::vector<bool>{true, false, true}));
    REQUIRE(same_after_trip(std::vector<std::string>{"a", "", "c"}));
    REQUIRE(same_after_trip(std::vector<std::pair<int, char>>{{1, 'a'}, {2, 'b'}}));
    REQUIRE(same_after_trip(std::vector<std::vector<int>>{{1}, {}, {2, 3}}));
    REQUIRE(same_after_trip(std::deque<std::string>{"x", "y"}));
    REQUIRE(same_after_trip(std::list<int>{3, 1, 2}));
    REQUIRE(same_after_trip(std::forward_list<std::string>{"3", "1"}));
    REQUIRE(same_after_trip(std::set<std::string>{"b", "a"}));
    REQUIRE(same_after_trip(std::multiset<int>{1, 1, 2}));
    REQUIRE(same_after_trip(std::map<std::string, int>{{"a", 1}, {"b", 2}}));
    REQUIRE(same_after_trip(std::multimap<int, std::string>{{1, "a"}, {1, "b"}}));
    REQUIRE(same_after_trip(std::unordered_set<int>{1, 2, 3}));
    REQUIRE(same_after_trip(std::unordered_multiset<int>{1, 1}));
    REQUIRE(same_after_trip(std::unordered_map<std::string, bool>{{"a", true}, {"b", false}}));
    REQUIRE(same_after_trip(std::unordered_multimap<int, int>{{1, 2}, {1, 3}}));
    REQUIRE(same_after_trip(std::array<std::string, 2>{"a", "b"}));
    REQUIRE(same_after_trip(std::array<int, 0>{}));
    REQUIRE(same_after_trip(std::bitset<67>("1010101")));
    REQUIRE(same_after_trip(std::stack<int>({1, 2})));
    REQUIRE(same_after_trip(std::queue<std::string>({"a", "b"})));
    auto heap = round_trip(std::priority_queue<int>({}, {1, 9, 4}));
    REQUIRE(heap.size() == 3);
    REQUIRE(heap.top() == 9);
    const auto values = round_trip(std::valarray<double>{1, 2, 3});
    REQUIRE(values.size() == 3);
    REQUIRE(values.sum() == 6);
    REQUIRE(round_trip(std::valarray<std::string>{"a", "b"})[1] == "b");
}

TEST_CASE("Containers of elements without bytes keep their size", "[pickle]") {
    REQUIRE(round_trip(std::vector<Empty>(1000)).size() == 1000);
    REQUIRE(round_trip(std::list<std::tuple<>>(7)).size() == 7);
    REQUIRE(round_trip(std::vector<std::monostate>(3)).size() == 3);
    REQUIRE(round_trip(std::map<std::tuple<>, Empty>{{{}, {}}}).size() == 1);
}

TEST_CASE("Pairs, tuples, variants and optionals keep what they hold", "[pickle]") {
    REQUIRE(same_after_trip(std::pair(1, std::string("x"))));
    REQUIRE(same_after_trip(std::tuple(1, 2.5, std::string("x"), 'c')));
    REQUIRE(same_after_trip(std::tuple<>()));
    using Variant = std::variant<std::monostate, int, std::string>;
    REQUIRE(same_after_trip(Variant()));
    REQUIRE(same_after_trip(Variant(5)));
    REQUIRE(same_after_trip(Variant("text")));
    REQUIRE(same_after_trip(std::optional<std::string>()));
    REQUIRE(same_after_trip(std::optional<std::string>("x")));
    REQUIRE(same_after_trip(std::complex<double>(1, -1)));
}

TEST_CASE("Times keep their value", "[pickle]") {
    REQUIRE(same_after_trip(1500ms));
    REQUIRE(same_after_trip(std::chrono::duration<double>(0.25)));
    REQUIRE(same_after_trip(std::chrono::system_clock::now()));
    REQUIRE(same_after_trip(std::chrono::year_month_day(2024y / 2 / 29)));
}

TEST_CASE("Aggregates keep their members, nested and recursive", "[pickle]") {
    REQUIRE(same_after_trip(Point{1, 2, "a"}));
    REQUIRE(same_after_trip(Plain{1, 'b', {{1, 2}, {3, 4}}}));
    REQUIRE(same_after_trip(Mixed{{}, true, Flag::yes, {{1, 2, "p"}}, Plain{5, 'c', {}}}));
    REQUIRE(same_after_trip(Tree{1, {{2, {}}, {3, {{4, {}}, {5, {}}}}}}));
}

TEST_CASE("Large blocks arrive whole, wherever they begin", "[pickle]") {
    std::vector<double> numbers(400'000);  // 3.2 MB: beyond one huge page
    std::iota(numbers.begin(), numbers.end(), 0.5);
    REQUIRE(same_after_trip(numbers));
    REQUIRE(same_after_trip(std::pair(std::string("odd"), numbers)));

    // The same bytes at every misalignment.
    mp::detail::heap_buffer out;
    mp::detail::save(out, numbers);
    std::vector<std::byte> moved(out.size() + 9);
    for (std::size_t shift : {1u, 2u, 4u, 7u, 8u}) {
        std::memcpy(moved.data() + shift, out.data(), out.size());
        mp::detail::input_cursor in(std::span<const std::byte>(moved).subspan(shift, out.size()));
        REQUIRE(mp::detail::load<std::vector<double>>(in) == numbers);
        REQUIRE(in.remaining() == 0);
    }
}

TEST_CASE("Small blocks of misaligned pairs arrive whole", "[pickle]") {
    const std::pair<char, std::vector<std::pair<int, double>>> value{'c', {{1, 2}, {3, 4}}};
    REQUIRE(same_after_trip(value));
}

TEST_CASE("A value is loaded into one that holds something else", "[pickle]") {
    mp::detail::heap_buffer out;
    mp::detail::save(out, std::vector<std::string>{"new"});
    mp::detail::save(out, std::map<int, int>{{1, 2}});
    mp::detail::input_cursor in(out.bytes());
    std::vector<std::string> strings{"old", "older"};
    mp::detail::load_into(in, strings);
    REQUIRE(strings == std::vector<std::string>{"new"});
    std::map<int, int> numbers{{5, 6}};
    mp::detail::load_into(in, numbers);
    REQUIRE(numbers == std::map<int, int>{{1, 2}});
}

TEST_CASE("A bitwise value is exactly its bytes", "[pickle]") {
    mp::detail::heap_buffer out;
    mp::detail::save(out, 42);
    REQUIRE(out.size() == sizeof(int));
    mp::detail::save(out, [](int x) { return x; });
    REQUIRE(out.size() == sizeof(int));
}

TEST_CASE("A variant without a value cannot be written", "[pickle]") {
    std::variant<std::string, Reluctant> value("x");
    CHECK_THROWS_AS(value.emplace<1>(1), std::invalid_argument);
    REQUIRE(value.valueless_by_exception());
    REQUIRE_THROWS_AS(mp::dumps(value), mp::PicklingError);
}

TEST_CASE("Nesting has an end that is no stack overflow", "[pickle]") {
    List head;
    List* last = &head;
    for (int i = 0; i < 500; ++i) {
        last->next = std::make_unique<List>();
        last = last->next.get();
        last->value = i;
    }
    List copy = round_trip(head);
    int length = 0;
    for (const List* l = &copy; l != nullptr; l = l->next.get())
        ++length;
    REQUIRE(length == 501);

    for (int i = 0; i < 200'000; ++i) {
        last->next = std::make_unique<List>();
        last = last->next.get();
    }
    REQUIRE_THROWS_AS(mp::dumps(head), mp::PicklingError);
    while (head.next)
        head.next = std::move(head.next->next);  // node by node: the destructor recurses
}

TEST_CASE("loads refuses another type, other bytes, fewer and more", "[pickle]") {
    const auto bytes = mp::dumps(Point{1, 2, "a"});
    REQUIRE_THROWS_AS(mp::loads<int>(bytes), mp::UnpicklingError);
    REQUIRE_THROWS_AS(mp::loads<Tree>(bytes), mp::UnpicklingError);
    REQUIRE_THROWS_AS(mp::loads<Point>({}), mp::UnpicklingError);
    for (std::size_t n = 0; n < bytes.size(); ++n)
        REQUIRE_THROWS_AS(mp::loads<Point>(std::span(bytes).first(n)), mp::UnpicklingError);
    auto longer = bytes;
    longer.push_back(std::byte{0});
    REQUIRE_THROWS_AS(mp::loads<Point>(longer), mp::UnpicklingError);
    auto header = longer;  // one more byte, and a header that counts it
    ++reinterpret_cast<mp::detail::pickle_header*>(header.data())->size;
    REQUIRE_THROWS_AS(mp::loads<Point>(header), mp::UnpicklingError);
    auto other = bytes;
    other[0] = std::byte{0};
    REQUIRE_THROWS_AS(mp::loads<Point>(other), mp::UnpicklingError);
}
