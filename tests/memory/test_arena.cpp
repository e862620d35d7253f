// SPDX-License-Identifier: BSL-1.0
// Blocks of shared memory: allocation, reuse, growth, and what damaged offsets do.
#include "support/catch.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <system_error>
#include <vector>

#include <multiprocessing/memory/arena.hpp>

#include "support/calls.hpp"

namespace {

namespace os = multiprocessing::os;
using multiprocessing::detail::arena;
using multiprocessing::detail::arena_block;
using multiprocessing::detail::arena_view;

constexpr std::uint64_t base = arena_view::unit;

os::descriptor memory() {
    return os::create_memory("test arena", base);
}

std::uint64_t pages_of(const os::descriptor& fd) {
    struct stat status {};
    ::fstat(fd.get(), &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

/// The call of posix_fallocate that fails, counted from 0, how, and what all were asked for.
int failing_call = -1;
int failure = 0;
std::vector<off_t> asked;

}  // namespace

/// Stands before the C library's.
extern "C" int posix_fallocate(int fd, off_t offset, off_t size) {
    asked.push_back(size);
    if (failing_call == static_cast<int>(asked.size()) - 1)
        return failure;
    return ::fallocate(fd, 0, offset, size) == 0 ? 0 : errno;
}

TEST_CASE("A signal costs an allocation one step of it", "[memory]") {
    constexpr off_t most = off_t{16} << 20;
    const auto fd = memory();
    asked.clear();
    failing_call = 0;
    failure = EINTR;
    os::allocate(fd.get(), 0, (std::size_t{40} << 20) + 1);
    failing_call = -1;
    off_t sum = 0;
    for (const off_t size : asked) {
        CHECK(size <= most);
        sum += size;
    }
    CHECK(sum <= (off_t{40} << 20) + 1 + most);
    CHECK(os::length(fd.get()) == (std::size_t{40} << 20) + 1);
}

TEST_CASE("An allocation that fails has taken nothing", "[memory]") {
    const auto fd = memory();
    asked.clear();
    failing_call = 1;
    failure = ENOSPC;
    try {
        os::allocate(fd.get(), base, std::size_t{40} << 20);
        FAIL("it was allocated");
    } catch (const std::system_error& full) {
        CHECK(full.code().value() == ENOSPC);
    }
    failing_call = -1;
    CHECK(pages_of(fd) == 0);
}

TEST_CASE("arena: what the allocating side writes, a reading view of the same file reads",
          "[memory]") {
    const auto fd = memory();
    arena blocks(fd.get(), base);
    arena_view reader(fd.get(), base, os::memory_map::access::read);
    for (const std::uint64_t size : {1UL, 64UL, 4096UL, 1UL << 20, (3UL << 20) + 5}) {
        const arena_block block = blocks.allocate(size);
        REQUIRE(block.size >= size);
        std::memset(blocks.data(block), 0x5a, size);
        const std::byte* const seen = reader.at(block.offset, size);
        REQUIRE(seen[0] == std::byte{0x5a});
        REQUIRE(seen[size - 1] == std::byte{0x5a});
    }
}

TEST_CASE("arena: blocks never overlap, whatever is allocated and released", "[memory]") {
    const auto fd = memory();
    arena blocks(fd.get(), base);
    std::mt19937 random(7);
    std::map<std::uint64_t, arena_block> live;
    for (int round = 0; round < 20'000; ++round) {
        if (live.size() > 40 || (!live.empty() && random() % 2 == 0)) {
            const auto victim =
                std::next(live.begin(), static_cast<std::ptrdiff_t>(random() % live.size()));
            blocks.release(victim->second);
            live.erase(victim);
            continue;
        }
        arena_block block = blocks.allocate(1 + random() % 300'000);
        if (random() % 4 == 0)
            blocks.shrink(block, block.size / 2 + 1);
        const auto next = live.lower_bound(block.offset);
        if (next != live.end() && block.offset + block.size > next->first)
            FAIL("a block reaches into the next one");
        if (next != live.begin() &&
            std::prev(next)->first + std::prev(next)->second.size > block.offset)
            FAIL("a block begins in the one before");
        live.emplace(block.offset, block);
    }
    for (const auto& [offset, block] : live)
        blocks.release(block);
    REQUIRE(blocks.used() == 0);
}

TEST_CASE("arena: a released block is used again before new pages are", "[memory]") {
    const auto fd = memory();
    arena blocks(fd.get(), base);
    const arena_block first = blocks.allocate(100'000);
    blocks.release(first);
    const std::uint64_t pages = pages_of(fd);
    for (int i = 0; i < 100; ++i) {
        const arena_block again = blocks.allocate(100'000);
        REQUIRE(again.offset == first.offset);
        blocks.release(again);
    }
    REQUIRE(pages_of(fd) == pages);
}

TEST_CASE("arena: much memory that is released goes back to the system", "[memory]") {
    const auto fd = memory();
    arena blocks(fd.get(), base);
    const arena_block large = blocks.allocate(arena::keep + (1 << 20));
    REQUIRE(pages_of(fd) > arena::keep);
    blocks.release(large);
    REQUIRE(pages_of(fd) < arena::keep);
}

namespace {

/// While it lives, files may not grow beyond `bytes`: should a check fail, the machine survives.
class file_size_limit {
  public:
    explicit file_size_limit(rlim_t bytes) : old_action_(::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &old_);
        rlimit lower = old_;
        lower.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &lower);
    }
    file_size_limit(const file_size_limit&) = delete;
    file_size_limit& operator=(const file_size_limit&) = delete;
    ~file_size_limit() {
        ::setrlimit(RLIMIT_FSIZE, &old_);
        ::signal(SIGXFSZ, old_action_);
    }

  private:
    rlimit old_{};
    sighandler_t old_action_;
};

int error_of_allocating(arena& blocks, std::uint64_t size) {
    return test_support::error_of([&] { (void)blocks.allocate(size); });
}

}  // namespace

TEST_CASE("arena: when there is no more memory, allocate throws and nothing else happens",
          "[memory]") {
    const file_size_limit limit(64 << 20);
    const auto fd = memory();
    arena blocks(fd.get(), base);
    const arena_block before = blocks.allocate(1000);
    REQUIRE(error_of_allocating(blocks, 200 << 20) == ENOSPC);  // the file cannot grow so far
    REQUIRE(error_of_allocating(blocks, std::uint64_t{1} << 46) == ENOMEM);  // was not even tried
    const arena_block after = blocks.allocate(1000);
    REQUIRE(after.offset != before.offset);
    std::memset(blocks.data(after), 1, 1000);
}

TEST_CASE("available_memory: is a part of what the machine has", "[memory]") {
    const auto pages = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES));
    REQUIRE(os::available_memory() > (1 << 20));
    REQUIRE(os::available_memory() < pages * os::page_size());
}

TEST_CASE("arena_view: an offset or a size that no block has throws, and reads nothing",
          "[memory]") {
    const auto fd = memory();
    arena blocks(fd.get(), base);
    const arena_block block = blocks.allocate(1000);
    arena_view reader(fd.get(), base, os::memory_map::access::read);
    using multiprocessing::UnpicklingError;
    REQUIRE_THROWS_AS(reader.at(0, 1), UnpicklingError);
    REQUIRE_THROWS_AS(reader.at(base - 1, 1), UnpicklingError);
    REQUIRE_THROWS_AS(reader.at(block.offset, ~std::uint64_t{0}), UnpicklingError);
    REQUIRE_THROWS_AS(reader.at(block.offset, arena_view::segment_size(0) + 1), UnpicklingError);
    REQUIRE_THROWS_AS(reader.at(~std::uint64_t{0} - 5, 1), UnpicklingError);
    REQUIRE_NOTHROW(reader.at(block.offset, 1000));
}
