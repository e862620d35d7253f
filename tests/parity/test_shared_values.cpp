// SPDX-License-Identifier: BSL-1.0
// The behaviours of CPython's _TestValue, _TestArray, _TestSharedCTypes, _TestHeap and
// _TestSharedMemory, with processes of every start method.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing.hpp>

#include "process/process_tools.hpp"

using namespace process_test;

namespace {

/// Runs the function in a process of the start method; it must end well.
template <class... A>
void run_elsewhere(void (*target)(A...), std::type_identity_t<mp::arguments<A...>> arguments) {
    mp::Process process(target, std::move(arguments),
                        {.daemon = true, .start_method = every_method()});
    process.start();
    REQUIRE(process.join(patience));
    CHECK(process.exitcode() == 0);
}

}  // namespace

// ---- _TestValue

namespace {

template <template <class> class Held>
struct Numbers {
    Held<int> i{4343};
    Held<double> d{3.625};
    Held<short> h{-232};
    Held<std::int64_t> q{std::int64_t{1} << 33};
    Held<char> c{'x'};
};

template <template <class> class Held>
void change_numbers(Numbers<Held> numbers) {
    numbers.i.value() = 24234;
    numbers.d.value() = -4.25;
    numbers.h.value() = 234;
    numbers.q.value() = std::int64_t{1} << 34;
    numbers.c.value() = 'y';
}

template <template <class> class Held>
void check_numbers() {
    const Watch watch;
    const Numbers<Held> numbers;
    CHECK(numbers.i.value() == 4343);
    CHECK(numbers.d.value() == 3.625);
    CHECK(numbers.h.value() == -232);
    CHECK(numbers.q.value() == std::int64_t{1} << 33);
    CHECK(numbers.c.value() == 'x');
    run_elsewhere(change_numbers<Held>, {numbers});
    CHECK(numbers.i.value() == 24234);
    CHECK(numbers.d.value() == -4.25);
    CHECK(numbers.h.value() == 234);
    CHECK(numbers.q.value() == std::int64_t{1} << 34);
    CHECK(numbers.c.value() == 'y');
}

template <class T>
concept has_lock = requires(const T& object) {
    object.get_lock();
};

}  // namespace

TEST_CASE("_TestValue.test_value", "[parity][shared]") {
    check_numbers<mp::Value>();
}

TEST_CASE("_TestValue.test_rawvalue", "[parity][shared]") {
    check_numbers<mp::RawValue>();
}

TEST_CASE("_TestValue.test_getobj_getlock", "[parity][shared]") {
    mp::Value<int> own(5);
    own.get_obj() = 6;
    CHECK(own.value() == 6);
    const std::scoped_lock twice(own.get_lock(), own.get_lock());  // it is an RLock
    const mp::Lock lock;
    const mp::Value<int> given(5, lock);
    CHECK(given.get_lock() == lock);
    const mp::RLock recursive;
    CHECK(mp::Value<int>(5, recursive).get_lock() == recursive);
    STATIC_REQUIRE_FALSE(has_lock<mp::RawValue<int>>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<mp::Value<int>, int, mp::Event>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<mp::RawValue<int>, int, mp::Lock>);
}

namespace {
void increment(mp::Value<int> counter, int times) {
    for (int i = 0; i < times; ++i) {
        const std::scoped_lock guard(counter.get_lock());
        counter.value() += 1;
    }
}
}  // namespace

TEST_CASE("Eight processes lose no increment of a Value", "[parity][shared]") {
    const Watch watch;
    const auto method = every_method();
    constexpr int times = 20'000;
    const mp::Value<int> counter(0);
    std::vector<mp::Process> processes;
    for (int i = 0; i < 8; ++i) {
        processes.emplace_back(increment, std::tuple(counter, times),
                               mp::ProcessOptions{.daemon = true, .start_method = method});
        processes.back().start();
    }
    for (mp::Process& process : processes)
        REQUIRE(process.join(patience));
    CHECK(counter.value() == 8 * times);
}

// ---- _TestArray

namespace {

template <class Array>
void to_prefix_sums(Array array) {
    std::partial_sum(array.begin(), array.end(), array.begin());
}

template <class Array>
void check_array() {
    const Watch watch;
    std::vector<int> expected{680, 626, 934, 821, 150, 233, 548, 982, 714, 831};
    const Array array(expected);
    CHECK(array.size() == expected.size());
    CHECK(array[3] == 821);
    CHECK(std::ranges::equal(array, expected));
    CHECK(std::ranges::equal(array.get_obj().subspan(2, 5), std::vector{934, 821, 150, 233, 548}));
    const std::vector<int> part{1, 2, 3, 4};
    std::ranges::copy(part, array.begin() + 4);
    std::ranges::copy(part, expected.begin() + 4);
    CHECK(std::ranges::equal(array, expected));
    run_elsewhere(to_prefix_sums<Array>, {array});
    to_prefix_sums(std::span(expected));
    CHECK(std::ranges::equal(array, expected));
}

}  // namespace

TEST_CASE("_TestArray.test_array", "[parity][shared]") {
    check_array<mp::Array<int>>();
}

TEST_CASE("_TestArray.test_rawarray", "[parity][shared]") {
    check_array<mp::RawArray<int>>();
}

TEST_CASE("_TestArray.test_array_from_size", "[parity][shared]") {
    for (int round = 0; round < 3; ++round) {
        const mp::Array<int> array(10);
        CHECK(std::ranges::equal(array, std::vector<int>(10)));
        std::iota(array.begin(), array.end(), 1);
        CHECK(array[9] == 10);
    }
}

TEST_CASE("_TestArray.test_getobj_getlock_obj", "[parity][shared]") {
    mp::Array<int> own(10);
    CHECK(own.get_obj().data() == own.data());
    const std::scoped_lock twice(own.get_lock(), own.get_lock());
    const mp::Lock lock;
    CHECK(mp::Array<int>(10, lock).get_lock() == lock);
    CHECK(mp::Array<int>({1, 2}, lock).get_lock() == lock);
    CHECK(mp::Array<int>(std::vector<int>(3), lock).get_lock() == lock);
    STATIC_REQUIRE_FALSE(has_lock<mp::RawArray<int>>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<mp::Array<int>, int, mp::Event>);
}

// ---- _TestSharedCTypes

namespace {

struct Foo {
    int x = 0;
    double y = 0;
    std::int64_t z = 0;
};

template <template <class> class Value, template <class> class Array>
struct Shapes {
    Value<int> x{7};
    Value<double> y{1.0 / 4};
    Value<std::int64_t> z{std::int64_t{1} << 33};
    Value<Foo> foo{Foo{3, 2, 1}};
    Array<double> array{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    Array<char> text{'h', 'e', 'l', 'l', 'o', 0, 0, 0, 0, 0, 0};
};

template <template <class> class Value, template <class> class Array>
void double_all(Shapes<Value, Array> shapes) {
    shapes.x.value() *= 2;
    shapes.y.value() *= 2;
    shapes.z.value() *= 2;
    shapes.foo.value().x *= 2;
    shapes.foo.value().y *= 2;
    for (double& item : shapes.array)
        item *= 2;
    const std::string text = shapes.text.data();
    std::ranges::copy(text, shapes.text.begin() + 5);
}

template <template <class> class Value, template <class> class Array>
void check_shapes() {
    const Watch watch;
    const Shapes<Value, Array> shapes;
    run_elsewhere(double_all<Value, Array>, {shapes});
    CHECK(shapes.x.value() == 14);
    CHECK(shapes.y.value() == 0.5);
    CHECK(shapes.z.value() == std::int64_t{1} << 34);
    CHECK(shapes.foo.value().x == 6);
    CHECK(shapes.foo.value().y == 4);
    CHECK(shapes.foo.value().z == 1);
    for (int i = 0; i < 10; ++i)
        CHECK(shapes.array[static_cast<std::size_t>(i)] == 2.0 * i);
    CHECK(std::string(shapes.text.data()) == "hellohello");
}

}  // namespace

TEST_CASE("_TestSharedCTypes.test_sharedctypes", "[parity][shared]") {
    check_shapes<mp::RawValue, mp::RawArray>();
}

TEST_CASE("_TestSharedCTypes.test_synchronize", "[parity][shared]") {
    check_shapes<mp::Value, mp::Array>();
}

TEST_CASE("_TestSharedCTypes.test_copy", "[parity][shared]") {
    const mp::RawValue<Foo> foo(Foo{2, 5, 8});
    const mp::RawValue<Foo> copy(foo.value());
    foo.value() = {};
    CHECK(copy.value().x == 2);
    CHECK(copy.value().y == 5);
    CHECK(copy.value().z == 8);
}

// ---- _TestHeap

TEST_CASE("_TestHeap.test_heap", "[parity][shared]") {
    const Watch watch;
    const auto descriptors = open_descriptors().size();
    {
        std::mt19937 random(1);
        std::lognormal_distribution<double> length(0, 2.5);
        std::vector<mp::RawArray<unsigned char>> blocks;
        for (int i = 0; i < 5000; ++i) {
            const mp::RawArray<unsigned char> block(static_cast<int>(length(random) * 100));
            REQUIRE(std::ranges::count(block, 0) == static_cast<std::ptrdiff_t>(block.size()));
            std::ranges::fill(block, static_cast<unsigned char>(i % 255 + 1));
            blocks.push_back(block);
            if (blocks.size() > 50) {
                const auto place = blocks.begin() + static_cast<int>(random() % blocks.size());
                // nobody else was given its memory
                REQUIRE(std::ranges::count(*place, (*place).size() ? (*place)[0] : 0) ==
                        static_cast<std::ptrdiff_t>(place->size()));
                blocks.erase(place);
            }
        }
        std::ranges::sort(blocks, {}, [](const auto& block) { return block.data(); });
        for (std::size_t i = 0; i + 1 < blocks.size(); ++i)
            REQUIRE(blocks[i].end() <= blocks[i + 1].data());
    }
    CHECK(open_descriptors().size() <= descriptors + 1);  // one segment is kept for what comes
}

namespace {
using Bytes = mp::RawArray<unsigned char>;

void make_many(Bytes given, mp::Queue<mp::Value<int>> queue) {
    std::vector<Bytes> blocks;
    for (int i = 0; i < 1000; ++i) {
        blocks.emplace_back(i + 1);
        if (std::ranges::count(blocks.back(), 0) != i + 1)
            std::exit(1);
        std::ranges::fill(blocks.back(), static_cast<unsigned char>(i % 255 + 1));
    }
    for (const Bytes& block : blocks)
        if (std::ranges::count(block, block[0]) != static_cast<std::ptrdiff_t>(block.size()))
            std::exit(2);
    if (std::ranges::count(given, 200) != static_cast<std::ptrdiff_t>(given.size()))
        std::exit(3);
    queue.put(mp::Value<int>(::getpid()));
}
}  // namespace

TEST_CASE("_TestHeap.test_heap, in a child", "[parity][shared]") {
    const Watch watch;
    const Bytes given(5000);
    std::ranges::fill(given, static_cast<unsigned char>(200));
    const mp::Queue<mp::Value<int>> queue;
    run_elsewhere(make_many, {given, queue});
    CHECK(std::ranges::count(given, 200) == 5000);  // and nothing of the child's lies there
    const auto made = queue.get(patience);          // it outlives the process that made it
    CHECK(made.value() > 0);
    CHECK(made.value() != ::getpid());
}

// ---- _TestSharedMemory: what one process can see is tested with the class

namespace {

using mp::shared_memory::ShareableList;
using mp::shared_memory::SharedMemory;

void write_by_name(std::string name, int offset) {
    const SharedMemory block({.name = name});
    block.buf()[static_cast<std::size_t>(offset)] = std::byte{7};
}
void write_by_object(SharedMemory block, int offset) {
    block.buf()[static_cast<std::size_t>(offset)] = std::byte{8};
}
void change_list(ShareableList list, std::string name) {
    list[0] = 42;
    const ShareableList same(name);
    same[1] = "changed";
}

}  // namespace

TEST_CASE("_TestSharedMemory.test_shared_memory_across_processes", "[parity][shared_memory]") {
    const Watch watch;
    const SharedMemory block({.create = true, .size = 100});
    SECTION("by its name") {
        run_elsewhere(write_by_name, {block.name(), 3});
        CHECK(block.buf()[3] == std::byte{7});
    }
    SECTION("as an object") {
        run_elsewhere(write_by_object, {block, 4});
        CHECK(block.buf()[4] == std::byte{8});
    }
    block.unlink();
}

TEST_CASE("_TestSharedMemory.test_shared_memory_ShareableList_pickling, across processes",
          "[parity][shared_memory]") {
    const Watch watch;
    const ShareableList list{1, "a text", 2.5};
    run_elsewhere(change_list, {list, list.shm().name()});
    CHECK(list[0] == 42);
    CHECK(list[1] == "changed");
    const ShareableList longer(std::vector<mp::shared_memory::ShareableValue>(1000, "a text"));
    CHECK(mp::dumps(longer).size() == mp::dumps(list).size());
    list.shm().unlink();
    longer.shm().unlink();
}
