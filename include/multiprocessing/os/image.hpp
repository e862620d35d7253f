// SPDX-License-Identifier: BSL-1.0
// The program and the shared objects in memory: which one holds an address, and how another process
// of the same program recognizes it.
#pragma once

#include <elf.h>
#include <link.h>
#include <sys/stat.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace multiprocessing {
inline namespace v0 {
namespace os {

/// A place in the code: which image, and how far from its beginning. Image 0 is the main program.
struct code_place {
    std::uint64_t image = 0;
    std::uint64_t offset = 0;
};

/// One image: where it is loaded and which of its addresses hold code.
struct image {
    struct segment {
        std::uintptr_t begin;
        std::uintptr_t end;
    };

    std::uint64_t digest = 0;  // of the build id, or of the file name; never 0
    std::uintptr_t base = 0;
    std::vector<segment> code;

    [[nodiscard]] bool holds_code(std::uintptr_t address) const noexcept {
        for (const segment& s : code) {
            if (address >= s.begin && address < s.end)
                return true;
        }
        return false;
    }
};

/// The images as they were at one moment.
struct image_table {
    std::vector<image> images;  // the main program comes first
    unsigned long long added = 0;
    unsigned long long removed = 0;
    const image_table* older = nullptr;  // kept, because another thread may still read it

    [[nodiscard]] bool current(unsigned long long adds, unsigned long long subs) const noexcept {
        return added == adds && removed == subs;
    }
};

/// FNV-1a. @param seed the digest of what stands before
inline std::uint64_t digest_bytes(const void* bytes, std::size_t count,
                                  std::uint64_t seed = 0xcbf29ce484222325u) noexcept {
    const auto* byte = static_cast<const unsigned char*>(bytes);
    for (std::size_t i = 0; i != count; ++i)
        seed = (seed ^ byte[i]) * 0x100000001b3u;
    return seed;
}

/// The digest of an image's build id; 0 if it has none.
inline std::uint64_t build_id_digest(const dl_phdr_info& info) noexcept {
    for (std::size_t i = 0; i != info.dlpi_phnum; ++i) {
        const ElfW(Phdr)& header = info.dlpi_phdr[i];
        if (header.p_type != PT_NOTE)
            continue;
        const auto* place = reinterpret_cast<const unsigned char*>(info.dlpi_addr + header.p_vaddr);
        const std::size_t alignment = header.p_align == 8 ? 8 : 4;
        const auto padded = [&](std::size_t size) {
            return (size + alignment - 1) / alignment * alignment;
        };
        std::size_t left = header.p_memsz;
        while (left >= sizeof(ElfW(Nhdr))) {
            ElfW(Nhdr) note;
            std::memcpy(&note, place, sizeof note);
            const std::size_t description = padded(sizeof note + note.n_namesz);
            const std::size_t whole = padded(description + note.n_descsz);
            if (description + note.n_descsz > left)
                break;
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
                std::memcmp(place + sizeof note, "GNU", 4) == 0)
                return digest_bytes(place + description, note.n_descsz) | 1u;
            if (whole >= left)
                break;
            place += whole;
            left -= whole;
        }
    }
    return 0;
}

namespace image_detail {

inline image describe(const dl_phdr_info& info) {
    image result;
    result.base = info.dlpi_addr;
    result.digest = build_id_digest(info);
    if (result.digest == 0) {
        std::string_view name = info.dlpi_name == nullptr ? "" : info.dlpi_name;
        name.remove_prefix(name.find_last_of('/') + 1);  // npos + 1 is 0
        result.digest = digest_bytes(name.data(), name.size()) | 1u;
    }
    for (std::size_t i = 0; i != info.dlpi_phnum; ++i) {
        const ElfW(Phdr)& header = info.dlpi_phdr[i];
        if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0) {
            const std::uintptr_t begin = info.dlpi_addr + header.p_vaddr;
            result.code.push_back({begin, begin + header.p_memsz});
        }
    }
    return result;
}

inline std::atomic<const image_table*>& newest_table() noexcept {
    static std::atomic<const image_table*> newest{nullptr};
    return newest;
}

/// Returns a table of all images, made anew if one was loaded or unloaded since the last.
inline const image_table& current_table() {
    image_table seen;  // its counters alone
    const auto count = [](dl_phdr_info* info, std::size_t, void* out) {
        static_cast<image_table*>(out)->added = info->dlpi_adds;
        static_cast<image_table*>(out)->removed = info->dlpi_subs;
        return 1;  // the first image tells the counters
    };
    (void)::dl_iterate_phdr(count, &seen);
    const image_table* table = newest_table().load(std::memory_order_acquire);
    if (table != nullptr && table->current(seen.added, seen.removed))
        return *table;
    auto* fresh = new image_table;
    const auto collect = [](dl_phdr_info* info, std::size_t, void* out) {
        auto& into = *static_cast<image_table*>(out);
        into.images.push_back(describe(*info));
        into.added = info->dlpi_adds;
        into.removed = info->dlpi_subs;
        return 0;
    };
    (void)::dl_iterate_phdr(collect, fresh);
    // Tables are never freed: a reader may hold one, and static destructors may still send code.
    fresh->older = table;
    while (!newest_table().compare_exchange_weak(fresh->older, fresh, std::memory_order_acq_rel)) {
    }
    return *fresh;
}

inline const image& main_program() {
    static const image* const program = new image(current_table().images.front());
    return *program;
}

}  // namespace image_detail

/// The place of a code address; empty if no image holds code there.
inline std::optional<code_place> place_of(std::uintptr_t address) {
    const image& program = image_detail::main_program();
    if (program.holds_code(address))
        return code_place{0, address - program.base};
    const image_table& table = image_detail::current_table();
    for (std::size_t i = 1; i < table.images.size(); ++i) {
        if (table.images[i].holds_code(address))
            return code_place{table.images[i].digest, address - table.images[i].base};
    }
    return std::nullopt;
}

/// The address of a place; empty if the image is not loaded here or holds no code at the offset.
inline std::optional<std::uintptr_t> address_of(code_place place) {
    if (place.image == 0) {
        const image& program = image_detail::main_program();
        const std::uintptr_t address = program.base + place.offset;
        return program.holds_code(address) ? std::optional(address) : std::nullopt;
    }
    const image_table& table = image_detail::current_table();
    for (std::size_t i = 1; i < table.images.size(); ++i) {
        const std::uintptr_t address = table.images[i].base + place.offset;
        if (table.images[i].digest == place.image && table.images[i].holds_code(address))
            return address;
    }
    return std::nullopt;
}

/// A number that two processes share exactly if they run the same build of the program: a digest
/// of the main program's build id, or, if it was linked without one, of its size and time.
inline std::uint64_t program_digest() {
    std::uint64_t digest = 0;
    const auto first = [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uint64_t*>(out) = build_id_digest(*info);
        return 1;  // the main program is the first image
    };
    (void)::dl_iterate_phdr(first, &digest);
    struct stat status {};
    if (digest == 0 && ::stat("/proc/self/exe", &status) == 0) {
        digest = digest_bytes(&status.st_size, sizeof status.st_size);
        digest = digest_bytes(&status.st_mtim.tv_sec, sizeof status.st_mtim.tv_sec, digest);
        digest = digest_bytes(&status.st_mtim.tv_nsec, sizeof status.st_mtim.tv_nsec, digest) | 1u;
    }
    return digest;
}

}  // namespace os
}  // namespace v0
}  // namespace multiprocessing
