// SPDX-License-Identifier: BSL-1.0
// The pages of jobs: aligned, apart from one another, freed with their last block.
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <multiprocessing/pool/job_memory.hpp>

#include "pool/pool_tools.hpp"

using namespace pool_test;
using mp::detail::job_page;

namespace {

std::size_t bytes_in_use() {
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
}

std::vector<unsigned char*> take(std::size_t count) {
    std::vector<unsigned char*> blocks(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t size = 1 + i * 37 % job_page::largest;
        blocks[i] = static_cast<unsigned char*>(job_page::allocate(size));
        std::memset(blocks[i], static_cast<int>(i % 251), size);
    }
    return blocks;
}

}  // namespace

TEST_CASE("Blocks are aligned and do not overlap", "[pool][memory]") {
    const auto blocks = take(5000);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const std::size_t size = 1 + i * 37 % job_page::largest;
        REQUIRE(reinterpret_cast<std::uintptr_t>(blocks[i]) % __STDCPP_DEFAULT_NEW_ALIGNMENT__ ==
                0);
        for (std::size_t k = 0; k < size; ++k)
            REQUIRE(blocks[i][k] == i % 251);
    }
    for (unsigned char* block : blocks)
        job_page::free(block);
}

TEST_CASE("Pages are freed when another thread gives the last block back", "[pool][memory]") {
    if (sanitized)
        return;  // whose allocator does not tell malloc's statistics
    std::vector<unsigned char*> kept(20000);
    const std::size_t before = bytes_in_use();
    std::thread([&] {
        const auto blocks = take(kept.size());
        std::copy(blocks.begin(), blocks.end(), kept.begin());
    }).join();  // closes its last page
    CHECK(bytes_in_use() > before + 1000000);
    for (unsigned char* block : kept)
        job_page::free(block);
    CHECK(bytes_in_use() < before + 20000);
}

TEST_CASE("A thread that ends keeps no page", "[pool][memory]") {
    if (sanitized)
        return;
    const std::size_t before = bytes_in_use();
    for (int i = 0; i < 200; ++i)
        std::thread([] { job_page::free(job_page::allocate(8)); }).join();
    CHECK(bytes_in_use() < before + 20000);
}

TEST_CASE("Results of jobs of any size and alignment can be kept and dropped in any order",
          "[pool][memory]") {
    const Watch watch;
    mp::Pool<> pool(2);
    std::vector<mp::AsyncResult<int>> kept;
    for (int i = 0; i < 20000; ++i) {
        auto result = pool.apply_async(+[](int n) { return n; }, {i});
        if (i % 50 == 0)
            kept.push_back(std::move(result));
    }
    const std::string text(1000, 'x');
    CHECK(pool.apply(+[](std::string given) { return given.size(); }, {text}) == text.size());
    for (std::size_t i = kept.size(); i-- > 0;)
        CHECK(kept[i].get() == static_cast<int>(50 * i));
}
