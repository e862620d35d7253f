// SPDX-License-Identifier: BSL-1.0
// Foreign bytes: they give a value or an UnpicklingError, never a crash, never memory for a count
// that is not there.

#include <atomic>
#include <boost/serialization/base_object.hpp>
#include <boost/serialization/export.hpp>
#include <cstdlib>
#include <new>
#include <random>

#include "serialization/round_trip.hpp"
#include "support/catch.hpp"
#include "support/sanitized.hpp"

namespace mp = multiprocessing;
namespace detail = multiprocessing::detail;

namespace {

std::atomic<std::size_t> largest_allocation{0};

}  // namespace

// The thread sanitizer has these of its own, which cannot be replaced: there nothing is counted.
#if !TEST_THREAD_SANITIZER
// Every allocation of the program passes here; the largest one is what a forged count obtained.
[[gnu::noinline]] void* operator new(std::size_t size) {
    std::size_t largest = largest_allocation.load();
    while (size > largest && !largest_allocation.compare_exchange_weak(largest, size)) {
    }
    void* place = std::malloc(size == 0 ? 1 : size);
    if (place == nullptr)
        throw std::bad_alloc();
    return place;
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* place) noexcept {
    std::free(place);
}
[[gnu::noinline]] void operator delete(void* place, std::size_t) noexcept {
    std::free(place);
}
#endif

namespace damage_test {

enum class Flag : bool { no, yes };
struct Base {
    virtual ~Base() = default;
    virtual int virtual_function() { return 0; }
    std::string name = "base";
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& name;
    }
};
struct Derived : Base {
    std::vector<std::string> parts{"a", "b"};
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& boost::serialization::base_object<Base>(*this);
        archive& parts;
    }
};
struct Tree {
    int value = 0;
    std::vector<Tree> children;
    std::unique_ptr<Tree> next;
    std::size_t size() const { return children.size(); }
};
struct Record {
    std::string text;
    Flag flag;
    bool yes;
    std::optional<std::map<std::string, std::vector<short>>> map;
    std::variant<std::monostate, int, std::string, std::deque<char>> variant;
    std::set<std::string> set;
    std::unordered_map<int, std::list<std::string>> hash;
    std::forward_list<int> forward;
    std::bitset<13> bits;
    std::valarray<float> values;
    std::vector<bool> bools;
    std::priority_queue<int> heap;
    std::filesystem::path path;
    std::wstring wide;
};
struct Empty {};
int function(int x) {
    return x;
}

}  // namespace damage_test

BOOST_CLASS_EXPORT(damage_test::Derived)

using namespace damage_test;

namespace {

Record record() {
    return {"some text",
            Flag::yes,
            true,
            std::map<std::string, std::vector<short>>{{"k", {1, 2, 3}}, {"l", {}}},
            std::string("alternative"),
            {"x", "y"},
            {{1, {"one"}}, {2, {}}},
            {1, 2, 3},
            std::bitset<13>(0x155),
            {1.5f, 2.5f},
            {true, false, true},
            std::priority_queue<int>({}, {3, 1, 2}),
            "/tmp/x",
            L"wide"};
}

/// Loads from bytes of a message; true if it was a value, false if it was refused.
template <class T>
bool loads_or_refuses(std::span<const std::byte> bytes) {
    largest_allocation = 0;
    bool loaded = false;
    try {
        detail::input_cursor in(bytes);
        const T value = detail::load<T>(in);
        (void)value;
        loaded = true;
    } catch (const mp::UnpicklingError&) {
    }
    // Elements in memory may be larger than on the wire (a node, a string): a small multiple.
    if (largest_allocation > 4096 + 64 * bytes.size())
        FAIL("allocated " << largest_allocation << " for " << bytes.size() << " bytes");
    return loaded;
}

template <class T>
void damage(const T& value) {
    detail::heap_buffer out;
    detail::save(out, value);
    const std::vector<std::byte> good(out.bytes().begin(), out.bytes().end());
    REQUIRE(loads_or_refuses<T>(good));

    int truncated = 0;
    for (std::size_t n = 0; n < good.size(); ++n)
        truncated += loads_or_refuses<T>(std::span(good).first(n));
    REQUIRE(truncated == 0);

    for (std::size_t i = 0; i < good.size(); ++i) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            auto bad = good;
            bad[i] ^= std::byte(1u << bit);
            (void)loads_or_refuses<T>(bad);
        }
        for (unsigned byte : {0x00u, 0x7fu, 0x80u, 0xffu}) {
            auto bad = good;
            for (std::size_t j = i; j < std::min(i + 8, bad.size()); ++j)
                bad[j] = std::byte(byte);
            (void)loads_or_refuses<T>(bad);
        }
    }
    std::mt19937 random(12345);
    for (int round = 0; round < 300; ++round) {
        auto bad = good;
        for (int i = 0; i < 4; ++i)
            bad[random() % bad.size()] = std::byte(random());
        (void)loads_or_refuses<T>(bad);
        std::vector<std::byte> noise(random() % 64);
        for (std::byte& b : noise)
            b = std::byte(random() % 4 == 0 ? random() : 0u);
        (void)loads_or_refuses<T>(noise);
    }
}

}  // namespace

TEST_CASE("Damaged bytes of containers are refused or are values", "[damage]") {
    damage(std::string("hello"));
    damage(std::vector<int>{1, 2, 3});
    damage(std::vector<double>(600, 1.0));  // large enough to be padded
    damage(std::vector<std::string>{"a", "bc"});
    damage(std::vector<Empty>(5));
    damage(record());
}

TEST_CASE("Damaged bytes of recursive types are refused or are values", "[damage]") {
    Tree tree{1, {}, nullptr};
    tree.children.push_back({2, {}, nullptr});
    tree.children.back().children.push_back({3, {}, nullptr});
    tree.next = std::make_unique<Tree>();
    damage(tree);
}

TEST_CASE("Damaged bytes of pointers are refused or are values", "[damage]") {
    const std::shared_ptr<Base> derived = std::make_shared<Derived>();
    damage(derived);
    damage(std::vector{derived, std::make_shared<Base>(), derived});
    std::unique_ptr<Base> unique = std::make_unique<Derived>();
    damage(unique);
    auto shared = std::make_shared<std::string>("s");
    damage(std::tuple(shared, std::weak_ptr(shared), shared));
}

TEST_CASE("Damaged bytes of functions are refused or are code", "[damage]") {
    damage(&function);
    damage(mp::partial(function, 3));
    damage(&Tree::size);
    damage(&Base::virtual_function);
}

TEST_CASE("Damaged exceptions are refused or are exceptions", "[damage]") {
    detail::heap_buffer out;
    const auto error = std::make_exception_ptr(std::filesystem::filesystem_error(
        "open", "/a", "/b", std::make_error_code(std::errc::io_error)));
    detail::save_exception(out, error, "worker");
    const std::vector<std::byte> good(out.bytes().begin(), out.bytes().end());
    const auto try_load = [](std::span<const std::byte> bytes) {
        try {
            detail::input_cursor in(bytes);
            return detail::load_exception(in) != nullptr;
        } catch (const mp::UnpicklingError&) {
            return false;
        }
    };
    REQUIRE(try_load(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
        REQUIRE_FALSE(try_load(std::span(good).first(i)));
        for (unsigned byte : {0x00u, 0x01u, 0x7fu, 0xffu}) {
            auto bad = good;
            bad[i] = std::byte(byte);
            (void)try_load(bad);
        }
    }
}

TEST_CASE("A forged count allocates nothing", "[damage]") {
    const auto forged = [](std::uint64_t count, std::size_t bytes) {
        std::vector<std::byte> message(8 + bytes);
        std::memcpy(message.data(), &count, 8);
        return message;
    };
    for (std::uint64_t count : {std::uint64_t{1} << 20, std::uint64_t{1} << 40,
                                std::uint64_t{1} << 61, ~std::uint64_t{0}}) {
        const auto message = forged(count, 100);
        REQUIRE_FALSE(loads_or_refuses<std::string>(message));
        REQUIRE_FALSE(loads_or_refuses<std::vector<int>>(message));
        REQUIRE_FALSE(loads_or_refuses<std::vector<std::string>>(message));
        REQUIRE_FALSE(loads_or_refuses<std::vector<Empty>>(message));
        REQUIRE_FALSE(loads_or_refuses<std::vector<std::tuple<>>>(message));
        REQUIRE_FALSE(loads_or_refuses<std::vector<bool>>(message));
        REQUIRE_FALSE(loads_or_refuses<std::vector<Record>>(message));
        REQUIRE_FALSE(loads_or_refuses<std::valarray<double>>(message));
        REQUIRE_FALSE(loads_or_refuses<std::list<int>>(message));
        REQUIRE_FALSE(loads_or_refuses<std::forward_list<Empty>>(message));
        REQUIRE_FALSE(loads_or_refuses<std::set<int>>(message));
        REQUIRE_FALSE((loads_or_refuses<std::unordered_map<int, int>>(message)));
        REQUIRE_FALSE(loads_or_refuses<std::shared_ptr<int>>(message));
    }
    // As many as there are bytes, of something large: memory grows with what is really read.
    REQUIRE_FALSE(loads_or_refuses<std::vector<std::array<std::string, 64>>>(forged(1000, 1000)));
}

TEST_CASE("Foreign bytes that nest without end are refused", "[damage]") {
    // A tree with one child each: value, count 1, value, count 1, ...
    std::vector<std::byte> message;
    const auto append = [&](const auto& value) {
        const auto* place = reinterpret_cast<const std::byte*>(&value);
        message.insert(message.end(), place, place + sizeof value);
    };
    for (int i = 0; i < 200'000; ++i) {
        append(i);
        append(std::uint64_t{1});
    }
    detail::input_cursor in(message);
    REQUIRE_THROWS_AS(detail::load<Tree>(in), mp::UnpicklingError);
}

TEST_CASE("A bool and an optional that are neither 0 nor 1 are refused", "[damage]") {
    const std::array<std::byte, 1> two{std::byte{2}};
    REQUIRE_FALSE(loads_or_refuses<bool>(two));
    REQUIRE_FALSE(loads_or_refuses<Flag>(two));
    REQUIRE_FALSE(loads_or_refuses<std::optional<Empty>>(two));
    REQUIRE_FALSE(loads_or_refuses<std::unique_ptr<Empty>>(two));
}
