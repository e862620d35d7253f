// SPDX-License-Identifier: BSL-1.0
// Objects behind pointers: shared, cyclic, polymorphic.

#include <boost/serialization/base_object.hpp>
#include <boost/serialization/export.hpp>
#include <boost/serialization/nvp.hpp>
#include <memory>

#include "serialization/round_trip.hpp"
#include "support/catch.hpp"

namespace mp = multiprocessing;

namespace pointers_test {

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
    std::string name;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& name;
    }
};
struct Square : Shape {
    double side = 0;
    double area() const override { return side * side; }
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& boost::serialization::make_nvp("base",
                                                boost::serialization::base_object<Shape>(*this));
        archive& BOOST_SERIALIZATION_NVP(side);
    }
};
struct Stranger : Shape {  // not exported
    double area() const override { return 1; }
};
struct Unrelated {
    virtual ~Unrelated() = default;
    int i = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& i;
    }
};
struct Animal {  // polymorphic and not abstract
    virtual ~Animal() = default;
    int legs = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& legs;
    }
};

struct Node {
    int value = 0;
    std::shared_ptr<Node> next;
    std::weak_ptr<Node> previous;
};
struct Raw {
    int value = 0;
    Raw* other = nullptr;  // never owned
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& value& other;
    }
};
struct Owner {
    Shape* shape = nullptr;
    Shape* same = nullptr;
    Owner() = default;
    Owner(Owner&& o) noexcept : shape(std::exchange(o.shape, nullptr)), same(o.same) {}
    ~Owner() { delete shape; }
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& shape& same;
    }
};
struct Versioned {
    int i = 0;
    unsigned seen = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned version) {
        archive& i;
        seen = version;
    }
};

}  // namespace pointers_test

BOOST_SERIALIZATION_ASSUME_ABSTRACT(pointers_test::Shape)
BOOST_CLASS_EXPORT(pointers_test::Square)
BOOST_CLASS_EXPORT(pointers_test::Unrelated)
BOOST_CLASS_VERSION(pointers_test::Versioned, 3)

using namespace pointers_test;

TEST_CASE("Owned objects arrive, and null stays null", "[pointers]") {
    REQUIRE(*round_trip(std::make_unique<std::string>("x")) == "x");
    REQUIRE(round_trip(std::unique_ptr<int>()) == nullptr);
    REQUIRE(*round_trip(std::make_shared<int>(4)) == 4);
    REQUIRE(round_trip(std::shared_ptr<int>()) == nullptr);
    REQUIRE(*round_trip(std::shared_ptr<const std::string>(new std::string("c"))) == "c");
    REQUIRE(round_trip(std::weak_ptr<int>()).expired());
}

TEST_CASE("An object that is shared in one value stays shared", "[pointers]") {
    auto shared = std::make_shared<std::string>("both");
    const auto copy = round_trip(std::pair(shared, std::vector{shared, shared}));
    REQUIRE(copy.first == copy.second[0]);
    REQUIRE(copy.first == copy.second[1]);
    REQUIRE(copy.first.use_count() == 3);
    REQUIRE(*copy.first == "both");
    const auto weak = round_trip(std::pair(std::weak_ptr(shared), shared));
    REQUIRE(weak.first.lock() == weak.second);
}

TEST_CASE("A cycle of pointers arrives as a cycle", "[pointers]") {
    auto first = std::make_shared<Node>();
    first->value = 1;
    first->next = std::make_shared<Node>();
    first->next->value = 2;
    first->next->previous = first;
    const auto copy = round_trip(first);
    REQUIRE(copy->next->value == 2);
    REQUIRE(copy->next->previous.lock() == copy);
    REQUIRE(copy.use_count() == 1);
}

TEST_CASE("An object behind a pointer to its base keeps its class", "[pointers]") {
    auto square = std::make_unique<Square>();
    square->side = 3;
    square->name = "nine";
    const std::unique_ptr<Shape> shape = std::move(square);
    const auto copy = round_trip(shape);
    REQUIRE(copy->area() == 9);
    REQUIRE(copy->name == "nine");
    REQUIRE(dynamic_cast<Square*>(copy.get()) != nullptr);

    std::shared_ptr<Square> one = std::make_shared<Square>();
    one->side = 2;
    const auto both = round_trip(std::tuple(std::shared_ptr<Shape>(one), one));
    REQUIRE(std::get<0>(both)->area() == 4);
    REQUIRE(std::get<0>(both) == std::get<1>(both));

    auto animal = std::make_unique<Animal>();
    animal->legs = 8;
    REQUIRE(round_trip(animal)->legs == 8);
}

TEST_CASE("A class that is not exported is refused by name", "[pointers]") {
    const std::unique_ptr<Shape> shape = std::make_unique<Stranger>();
    REQUIRE_THROWS_WITH(mp::dumps(shape),
                        Catch::Contains("Stranger") && Catch::Contains("BOOST_CLASS_EXPORT"));
}

TEST_CASE("Raw pointers inside a serialize keep what they share", "[pointers]") {
    Owner owner;
    auto* square = new Square;
    square->side = 5;
    owner.shape = owner.same = square;
    const Owner copy = round_trip(owner);
    REQUIRE(copy.shape->area() == 25);
    REQUIRE(copy.shape == copy.same);
    REQUIRE(copy.shape != square);
    REQUIRE(round_trip(Owner()).shape == nullptr);
}

TEST_CASE("A class version is passed to serialize, a later one is refused", "[pointers]") {
    REQUIRE(round_trip(Versioned()).seen == 3);
    auto bytes = mp::dumps(Versioned());
    bytes[sizeof(mp::detail::pickle_header)] = std::byte{4};
    REQUIRE_THROWS_AS(mp::loads<Versioned>(bytes), mp::UnpicklingError);
}

TEST_CASE("Foreign bytes build no unrelated class and no object that was never there",
          "[pointers]") {
    mp::detail::heap_buffer out;
    const std::string key = "pointers_test::Unrelated";
    out.append_value(std::uint8_t{1});
    out.append_value(static_cast<std::uint8_t>(key.size()));
    out.append(key.data(), key.size());
    out.append_value(std::uint32_t{0});
    out.append_value(5);
    mp::detail::input_cursor in(out.bytes());
    REQUIRE_THROWS_AS(mp::detail::load<std::unique_ptr<Shape>>(in), mp::UnpicklingError);

    out.clear();
    out.append_value(std::uint64_t{2});  // the second object, before the first
    mp::detail::input_cursor second(out.bytes());
    REQUIRE_THROWS_AS(mp::detail::load<std::shared_ptr<int>>(second), mp::UnpicklingError);

    out.clear();  // the first object as an int, then again as a double
    out.append_value(std::uint64_t{1});
    out.append_value(5);
    out.append_value(std::uint64_t{1});
    mp::detail::input_cursor third(out.bytes());
    using Pair = std::pair<std::shared_ptr<int>, std::shared_ptr<double>>;
    REQUIRE_THROWS_AS(mp::detail::load<Pair>(third), mp::UnpicklingError);
}
