// SPDX-License-Identifier: BSL-1.0
// SharedMemory and ShareableList exchanged with CPython's: each case runs a real python3.
#include "support/catch.hpp"

#include <unistd.h>

#include <string>

#include <multiprocessing/shared/shareable_list.hpp>

#include "support/process.hpp"

namespace {

namespace mp = multiprocessing;
using mp::shared_memory::ShareableList;
using mp::shared_memory::SharedMemory;

bool have_python() {
    static const bool found = [] {
        try {
            return test_support::run({"python3", "-c", "import multiprocessing.shared_memory"})
                       .status == 0;
        } catch (const std::system_error&) {
            return false;
        }
    }();
    if (!found)
        WARN("python3 is not here: nothing is compared");
    return found;
}

/// What a Python program prints. It must end well and say nothing on its error stream.
std::string python(const std::string& program, const std::string& argument) {
    // Before 3.13 Python's tracker removes what it only attached to: see SharedMemory's note.
    const std::string attach =
        "import sys\n"
        "from multiprocessing import shared_memory, resource_tracker\n"
        "def keep(shm):\n"
        "    resource_tracker.unregister(shm._name, 'shared_memory')\n"
        "    return shm\n";
    const auto result = test_support::run({"python3", "-c", attach + program, argument});
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(result.err.empty());
    return result.out;
}

}  // namespace

TEST_CASE("SharedMemory made here is read and written by Python, and stays ours",
          "[parity][shared_memory]") {
    if (!have_python())
        return;
    const SharedMemory block({.create = true, .size = 5000});
    block.buf()[0] = std::byte{'h'};
    block.buf()[4999] = std::byte{'i'};
    const std::string said = python(
        "shm = keep(shared_memory.SharedMemory(sys.argv[1]))\n"
        "print(shm.name, shm.size, chr(shm.buf[0]), chr(shm.buf[4999]))\n"
        "shm.buf[1] = 77\n"
        "shm.close()\n",
        block.name());
    CHECK(said == block.name() + " 5000 h i\n");
    CHECK(block.buf()[1] == std::byte{77});
    CHECK_NOTHROW(SharedMemory({.name = block.name()}));
    block.unlink();
}

TEST_CASE("SharedMemory made by Python is read, written and unlinked here",
          "[parity][shared_memory]") {
    if (!have_python())
        return;
    const std::string name = "mp_parity_" + std::to_string(::getpid());
    const std::string said = python(
        "shm = keep(shared_memory.SharedMemory(sys.argv[1], create=True, size=100))\n"
        "shm.buf[:5] = b'hello'\n"
        "print(shm.size)\n"
        "shm.close()\n",
        name);
    CHECK(said == "100\n");
    const SharedMemory block({.name = name});
    CHECK(block.size() == 100);
    CHECK(std::string(reinterpret_cast<const char*>(block.buf().data()), 5) == "hello");
    block.unlink();
    CHECK(::access(("/dev/shm/" + name).c_str(), F_OK) != 0);
}

TEST_CASE("ShareableList made here is Python's list", "[parity][shared_memory]") {
    if (!have_python())
        return;
    const ShareableList list{1, -2.5, true, "text", nullptr, std::vector{std::byte{7}}, "12345678"};
    const std::string said = python(
        "l = shared_memory.ShareableList(name=sys.argv[1])\n"
        "keep(l.shm)\n"
        "print(list(l), l.format)\n"
        "l[0] = 'changed'; l[1] = 3; l[4] = 1.5; l[3] = None\n"
        "l.shm.close()\n",
        list.shm().name());
    CHECK(said ==
          "[1, -2.5, True, 'text', None, b'\\x07', '12345678'] qdxxxxxxx?8sxxxxxx?x8s16s\n");
    CHECK(list[0] == "changed");
    CHECK(list[1].as<std::int64_t>() == 3);
    CHECK(list[4].as<double>() == 1.5);
    CHECK(list.at(3).is_none());
    list.shm().unlink();
}

TEST_CASE("ShareableList made by Python is ours", "[parity][shared_memory]") {
    if (!have_python())
        return;
    const std::string name = "mp_parity_list_" + std::to_string(::getpid());
    python(
        "l = shared_memory.ShareableList([5, 2.25, False, 'abc', b'xyz', None, 'x' * 30],\n"
        "                                name=sys.argv[1])\n"
        "keep(l.shm)\n"
        "l.shm.close()\n",
        name);
    const ShareableList list(name);
    REQUIRE(list.size() == 7);
    CHECK(list[0].as<std::int64_t>() == 5);
    CHECK(list[1].as<double>() == 2.25);
    CHECK_FALSE(list[2].as<bool>());
    CHECK(list[3] == "abc");
    CHECK(list[4] == std::vector{std::byte{'x'}, std::byte{'y'}, std::byte{'z'}});
    CHECK(list.at(5).is_none());
    CHECK(list[6] == std::string(30, 'x'));
    list.shm().unlink();
}
