// SPDX-License-Identifier: BSL-1.0
// Which types are picklable, and which travel as their own bytes.

#include <atomic>
#include <boost/serialization/split_member.hpp>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>

#include "serialization/round_trip.hpp"
#include "support/catch.hpp"

namespace mp = multiprocessing;
using mp::Picklable;
using mp::detail::bitwise;

namespace {

enum class Color : short { red };
enum Plain { one };
struct Point {
    double x, y;
};
struct Labelled {
    double x;
    std::string label;
    int grid[3][4];
};
struct Tree {
    int value;
    std::vector<Tree> children;
    std::map<std::string, Tree> named;
    std::unique_ptr<Tree> next;
};
struct HoldsPointer {
    int* p;
};
struct HoldsReference {
    int& r;
};
int referred = 0;
struct HoldsReferenceFirst {  // default constructible
    int& r = referred;
    int i = 0;
};
struct ByState {
    bool descending = false;
    bool operator()(int a, int b) const { return descending ? b < a : a < b; }
    std::size_t operator()(int a) const { return static_cast<std::size_t>(a) + descending; }
};
struct HoldsConst {
    const int c = 0;
};
struct HoldsView {
    std::string_view v;
};
struct Base {
    int b;
};
struct Derived : Base {
    int d;
};
struct HoldsMutex {
    int i;
    std::mutex m;
};
struct WithMember {
    int i = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& i;
    }
};
class Private {
    friend class boost::serialization::access;
    int i_ = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& i_;
    }
};
struct Final final {
    explicit Final(int = 0) {}
    template <class Archive>
    void serialize(Archive&, unsigned) {}
};
struct NoDefault {
    explicit NoDefault(int) {}
    template <class Archive>
    void serialize(Archive&, unsigned) {}
};
struct Outside {
    int i = 0;
    Outside() {}
};
template <class Archive>
void serialize(Archive& archive, Outside& o, const unsigned) {
    archive& o.i;
}
class Opaque {
    int i_ = 0;

  public:
    Opaque() { (void)i_; }
};
class Bits {
    int i_ = 0;

  public:
    int value() const { return i_; }
};
struct Handle {
    using multiprocessing_handle = void;
    template <class Archive>
    void serialize(Archive&, unsigned) {}
};
struct Explicit {
    explicit Explicit() = default;
    explicit Explicit(int) {}
    int i = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& i;
    }
};
struct HoldsExplicit {
    Explicit e;
    int j;
};
struct BeginsWithExplicit {
    Explicit e{1};
    int j = 0;
};
struct Image {
    unsigned char pixels[256][256];
    char name[1000];
};
struct Many {
    int a[2], b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z;
    std::string last;
};

}  // namespace

BOOST_IS_BITWISE_SERIALIZABLE(Bits)

TEST_CASE("Numbers, enumerations and functions are picklable", "[picklable]") {
    STATIC_REQUIRE(Picklable<int>);
    STATIC_REQUIRE(Picklable<const double>);
    STATIC_REQUIRE(Picklable<bool>);
    STATIC_REQUIRE(Picklable<long double>);
    STATIC_REQUIRE(Picklable<std::byte>);
    STATIC_REQUIRE(Picklable<Color>);
    STATIC_REQUIRE(Picklable<Plain>);
    STATIC_REQUIRE(Picklable<int (*)(int)>);
    STATIC_REQUIRE(Picklable<void (*)() noexcept>);
    STATIC_REQUIRE(Picklable<std::size_t (std::string::*)() const noexcept>);
    STATIC_REQUIRE(Picklable<decltype([](int x) { return x; })>);
    STATIC_REQUIRE(Picklable<std::less<>>);
}

TEST_CASE("The standard library's values are picklable", "[picklable]") {
    STATIC_REQUIRE(Picklable<std::string>);
    STATIC_REQUIRE(Picklable<std::u8string>);
    STATIC_REQUIRE(Picklable<std::vector<bool>>);
    STATIC_REQUIRE(Picklable<std::map<std::string, std::vector<std::unique_ptr<int>>>>);
    STATIC_REQUIRE(Picklable<std::optional<std::variant<std::monostate, int, std::string>>>);
    STATIC_REQUIRE(Picklable<std::tuple<int, std::pair<char, std::wstring>>>);
    STATIC_REQUIRE(Picklable<std::filesystem::path>);
    STATIC_REQUIRE(Picklable<std::chrono::system_clock::time_point>);
    STATIC_REQUIRE(Picklable<std::chrono::year_month_day>);
    STATIC_REQUIRE(Picklable<std::shared_ptr<const Point>>);
    STATIC_REQUIRE(Picklable<std::weak_ptr<Tree>>);
    STATIC_REQUIRE(Picklable<std::priority_queue<int>>);
    STATIC_REQUIRE(Picklable<int[3][4]>);
}

TEST_CASE("Aggregates are picklable if all members are", "[picklable]") {
    STATIC_REQUIRE(Picklable<Point>);
    STATIC_REQUIRE(Picklable<Labelled>);
    STATIC_REQUIRE(Picklable<Tree>);
    STATIC_REQUIRE(Picklable<Many>);
    STATIC_REQUIRE(Picklable<HoldsExplicit>);
    STATIC_REQUIRE(!Picklable<HoldsPointer>);
    STATIC_REQUIRE(!Picklable<HoldsReference>);
    STATIC_REQUIRE(!Picklable<HoldsReferenceFirst>);
    STATIC_REQUIRE(!bitwise<HoldsReferenceFirst>);
    STATIC_REQUIRE(!Picklable<HoldsConst>);
    STATIC_REQUIRE(!Picklable<HoldsView>);
    STATIC_REQUIRE(!Picklable<HoldsMutex>);
    STATIC_REQUIRE(!Picklable<Derived>);
}

TEST_CASE("Classes are picklable by serialize, by promise, or as handles", "[picklable]") {
    STATIC_REQUIRE(Picklable<WithMember>);
    STATIC_REQUIRE(Picklable<Private>);
    STATIC_REQUIRE(Picklable<Final>);
    STATIC_REQUIRE(Picklable<Outside>);
    STATIC_REQUIRE(Picklable<Bits>);
    STATIC_REQUIRE(Picklable<Handle>);
    STATIC_REQUIRE(!Picklable<NoDefault>);
    STATIC_REQUIRE(!Picklable<Opaque>);
}

TEST_CASE("What means nothing in another process is not picklable", "[picklable]") {
    int x = 0;
    auto captures = [x](int y) { return x + y; };
    REQUIRE(captures(1) == 1);
    STATIC_REQUIRE(!Picklable<int*>);
    STATIC_REQUIRE(!Picklable<void*>);
    STATIC_REQUIRE(!Picklable<const char*>);
    STATIC_REQUIRE(!Picklable<int&>);
    STATIC_REQUIRE(!Picklable<void>);
    STATIC_REQUIRE(!Picklable<std::nullptr_t>);
    STATIC_REQUIRE(!Picklable<std::string_view>);
    STATIC_REQUIRE(!Picklable<std::span<int>>);
    STATIC_REQUIRE(!Picklable<std::mutex>);
    STATIC_REQUIRE(!Picklable<std::condition_variable>);
    STATIC_REQUIRE(!Picklable<std::thread>);
    STATIC_REQUIRE(!Picklable<std::atomic<int>>);
    STATIC_REQUIRE(!Picklable<std::function<int(int)>>);
    STATIC_REQUIRE(!Picklable<std::exception_ptr>);
    STATIC_REQUIRE(!Picklable<decltype(captures)>);
    STATIC_REQUIRE(!Picklable<std::vector<int*>>);
    STATIC_REQUIRE(!Picklable<std::unique_ptr<int[]>>);
    STATIC_REQUIRE(!Picklable<std::shared_ptr<void>>);
    STATIC_REQUIRE(!Picklable<std::variant<int, std::string_view>>);
}

TEST_CASE("Comparators and hashes with a state are refused: it is not sent", "[picklable]") {
    STATIC_REQUIRE(Picklable<std::set<int, std::greater<>>>);
    STATIC_REQUIRE(Picklable<std::map<int, int, decltype([](int a, int b) { return b < a; })>>);
    STATIC_REQUIRE(!Picklable<std::set<int, ByState>>);
    STATIC_REQUIRE(!Picklable<std::multiset<int, bool (*)(int, int)>>);
    STATIC_REQUIRE(!Picklable<std::map<int, int, bool (*)(int, int)>>);
    STATIC_REQUIRE(!Picklable<std::multimap<int, int, std::function<bool(int, int)>>>);
    STATIC_REQUIRE(!Picklable<std::unordered_set<int, ByState>>);
    STATIC_REQUIRE(!Picklable<std::unordered_multiset<int, std::hash<int>, bool (*)(int, int)>>);
    STATIC_REQUIRE(!Picklable<std::unordered_map<int, int, ByState>>);
    STATIC_REQUIRE(!Picklable<std::unordered_multimap<int, int, ByState>>);
    STATIC_REQUIRE(!Picklable<std::priority_queue<int, std::vector<int>, ByState>>);
}

TEST_CASE("Types that are their own bytes are known", "[picklable]") {
    STATIC_REQUIRE(bitwise<int>);
    STATIC_REQUIRE(bitwise<Color>);
    STATIC_REQUIRE(bitwise<Point>);
    STATIC_REQUIRE(bitwise<Image>);
    STATIC_REQUIRE(bitwise<std::array<Point, 3>>);
    STATIC_REQUIRE(bitwise<std::pair<int, double>>);
    STATIC_REQUIRE(bitwise<std::tuple<int, char>>);
    STATIC_REQUIRE(bitwise<std::complex<float>>);
    STATIC_REQUIRE(bitwise<std::chrono::nanoseconds>);
    STATIC_REQUIRE(!bitwise<bool>);
    STATIC_REQUIRE(!bitwise<std::pair<int, bool>>);
    STATIC_REQUIRE(!bitwise<HoldsPointer>);
    STATIC_REQUIRE(!bitwise<std::string>);
    STATIC_REQUIRE(!bitwise<Labelled>);
    STATIC_REQUIRE(!bitwise<int (*)(int)>);
}

TEST_CASE("Members are counted, whatever their kind", "[picklable]") {
    STATIC_REQUIRE(mp::detail::field_count<Point>() == 2);
    STATIC_REQUIRE(mp::detail::field_count<Labelled>() == 3);
    STATIC_REQUIRE(mp::detail::field_count<Tree>() == 4);
    STATIC_REQUIRE(mp::detail::field_count<Many>() == 27);
    STATIC_REQUIRE(mp::detail::field_count<HoldsExplicit>() == 2);
    STATIC_REQUIRE(mp::detail::field_count<BeginsWithExplicit>() == 2);
}
