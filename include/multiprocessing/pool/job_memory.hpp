// SPDX-License-Identifier: BSL-1.0
// The memory of jobs: pages that one thread fills in a row and that are freed as a whole.
//
// A program that makes its calls one by one makes a job for each, often hundreds of thousands
// before it drops the first: malloc and free would be a third of the price of a call. Pages are
// freed by a count, as the regions of other memory managers are; nothing is searched or kept.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define MULTIPROCESSING_ADDRESS_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MULTIPROCESSING_ADDRESS_SANITIZER true
#endif
#endif
#if !defined(MULTIPROCESSING_ADDRESS_SANITIZER)
#define MULTIPROCESSING_ADDRESS_SANITIZER false
#endif

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Blocks of memory that one thread takes and any thread gives back.
/// @note A block that is kept keeps its page, so pages are small. A child that was forked goes on
/// with the page of the thread that forked; those of the others are lost with their threads.
class job_page {
  public:
    /// Objects of so many bytes are worth a page.
    static constexpr std::size_t largest = 256;

    /// @returns memory for an object of at most `largest` bytes, aligned as that of `operator new`
    /// @throws std::bad_alloc
    static void* allocate(std::size_t size) {
        const std::size_t whole = (sizeof(job_page*) + size + alignment - 1) & ~(alignment - 1);
        if (filled == nullptr || whole > page_size - filled->used_)
            fill_another();
        char* const block = reinterpret_cast<char*>(filled) + filled->used_;
        filled->used_ += static_cast<std::uint32_t>(whole);
        ++filled->taken_;
        return new (block) job_page*(filled) + 1;
    }
    static void free(void* block) noexcept { (static_cast<job_page**>(block)[-1])->give_back(1); }

  private:
    static constexpr std::size_t alignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    static constexpr std::size_t page_size = 4096 - 2 * sizeof(void*);  // malloc has a header, too
    static constexpr std::uint32_t being_filled = 1U << 31;

    /// Closes the page of a thread that ends.
    struct closer {
        ~closer() {
            if (filled != nullptr)
                filled->close();
            filled = nullptr;  // should another destructor submit a call, its page is not closed
        }
    };

    static void fill_another() {
        thread_local closer at_exit;
        (void)at_exit;
        auto* const fresh = new (::operator new(page_size)) job_page;
        if (filled != nullptr)
            filled->close();
        filled = fresh;
    }
    void close() noexcept { give_back(being_filled - taken_); }
    void give_back(std::uint32_t blocks) noexcept {
        if (missing_.fetch_sub(blocks, std::memory_order_acq_rel) == blocks) {
            this->~job_page();
            ::operator delete(this);
        }
    }

    constinit inline static thread_local job_page* filled = nullptr;

    std::atomic<std::uint32_t> missing_{being_filled};  // once closed: blocks not given back
    std::uint32_t taken_ = 0;
    // a block's pointer to its page lies before it, and the block is aligned
    std::uint32_t used_ = 2 * alignment - sizeof(job_page*);
};

/// A base of what is allocated there; alone if it is large, or where the address sanitizer must see
/// each object by itself.
class job_memory {
  public:
    static void* operator new(std::size_t size) {
        if (fits(size))
            return job_page::allocate(size);
        return ::operator new(size);
    }
    static void operator delete(void* object, std::size_t size) noexcept {
        if (fits(size))
            return job_page::free(object);
        ::operator delete(object);
    }
    static void* operator new(std::size_t size, std::align_val_t alignment) {
        return ::operator new(size, alignment);
    }
    static void operator delete(void* object, std::align_val_t alignment) noexcept {
        ::operator delete(object, alignment);
    }

  protected:
    ~job_memory() = default;

  private:
    static constexpr bool fits(std::size_t size) noexcept {
        return !MULTIPROCESSING_ADDRESS_SANITIZER && size <= job_page::largest;
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
