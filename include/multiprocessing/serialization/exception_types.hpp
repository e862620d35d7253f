// SPDX-License-Identifier: BSL-1.0
// The exception types that can be rebuilt, and how: the standard library's, this library's, and
// those that a program registers.
#pragma once

#include <any>
#include <atomic>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <ios>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/serialization/pickle.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Where an exception was thrown.
struct exception_origin {
    std::string type_name;
    std::int32_t pid = 0;
    std::string process_name;
};

/// What all rebuilt exceptions have in common: their text is the original's, whatever the
/// constructor of their type makes of it.
class rebuilt_exception : public RemoteException {
  public:
    rebuilt_exception(const std::string& text, const exception_origin& origin)
        : RemoteException(origin.type_name, origin.pid, origin.process_name),
          rebuilt_text_(std::make_shared<const std::string>(text)) {}

    [[nodiscard]] const char* what() const noexcept override { return rebuilt_text_->c_str(); }

  private:
    std::shared_ptr<const std::string> rebuilt_text_;  // exceptions copy without throwing
};

/// A rebuilt exception: an E, and a RemoteException besides.
template <class E>
class Rebuilt final : public E, public rebuilt_exception {
  public:
    template <class... A>
    explicit Rebuilt(const rebuilt_exception& rebuilt, A&&... arguments)
        : E(std::forward<A>(arguments)...), rebuilt_exception(rebuilt) {}

    [[nodiscard]] const char* what() const noexcept override { return rebuilt_exception::what(); }
};

// ---- what travels besides the text

/// An error code travels if every process knows its category.
/// @returns false if it does not
inline bool save_error_code(output_buffer& buffer, const std::error_code& code);
/// @throws UnpicklingError when there is no such category
inline std::error_code load_error_code(input_cursor& cursor);

/// Types with data: how an exception is written, and thrown anew by `raise`, which takes the
/// arguments of its constructor. Without a specialization E is built from its text, or from
/// nothing, and filled by its `serialize`.
template <class E>
struct exception_data {};

template <>
struct exception_data<std::system_error> {
    static bool save(output_buffer& buffer, const std::system_error& e) {
        return save_error_code(buffer, e.code());
    }
    static void load(input_cursor& cursor, const char* text, auto raise) {
        raise(load_error_code(cursor), text);
    }
};
template <>
struct exception_data<std::ios_base::failure> {
    static bool save(output_buffer& buffer, const std::ios_base::failure& e) {
        return save_error_code(buffer, e.code());
    }
    static void load(input_cursor& cursor, const char* text, auto raise) {
        raise(text, load_error_code(cursor));
    }
};
template <>
struct exception_data<std::filesystem::filesystem_error> {
    static bool save(output_buffer& buffer, const std::filesystem::filesystem_error& e) {
        detail::save(buffer, e.path1().native());
        detail::save(buffer, e.path2().native());
        return save_error_code(buffer, e.code());
    }
    static void load(input_cursor& cursor, const char* text, auto raise) {
        const std::filesystem::path path1 = detail::load<std::string>(cursor);
        const std::filesystem::path path2 = detail::load<std::string>(cursor);
        raise(text, path1, path2, load_error_code(cursor));
    }
};
template <>
struct exception_data<WorkerLostError> {
    static bool save(output_buffer& buffer, const WorkerLostError& e) {
        buffer.append_value(e.pid());
        buffer.append_value(e.exitcode());
        return true;
    }
    static void load(input_cursor& cursor, const char* text, auto raise) {
        const auto pid = cursor.read_value<pid_t>();
        raise(text, pid, cursor.read_value<int>());
    }
};

inline bool save_error_code(output_buffer& buffer, const std::error_code& code) {
    const std::string category = code.category().name();
    buffer.append_value(code.value());
    detail::save(buffer, category);
    return category == std::generic_category().name() ||
           category == std::system_category().name() || category == std::iostream_category().name();
}
inline std::error_code load_error_code(input_cursor& cursor) {
    const int value = cursor.read_value<int>();
    const auto name = load<std::string>(cursor);
    for (const std::error_category* category :
         {&std::generic_category(), &std::system_category(), &std::iostream_category()}) {
        if (name == category->name())
            return {value, *category};
    }
    throw UnpicklingError("unpickling: an error code of an unknown category");
}

template <class E>
concept has_exception_data = requires(output_buffer& buffer, const E& error) {
    exception_data<E>::save(buffer, error);
};

template <class E>
concept text_constructible =
    std::is_constructible_v<E, std::string> || std::is_constructible_v<E, const char*>;

/// Types that are filled with what they held, besides their text.
template <class E>
inline constexpr bool travels_as_value = boost_serializable<E> ||
                                         (!std::is_base_of_v<std::exception, E> && Picklable<E>);

// ---- one entry for each type; every function here exists once for each of them, so they are few

/// What can be done with an exception of one type.
struct exception_entry {
    const std::type_info* type;
    const std::type_info* rebuilt;
    /// Writes the data of the exception that is being handled; false if it cannot be rebuilt.
    /// Null: there is nothing but its text.
    bool (*save)(output_buffer&);
    /// Throws an object of the type `rebuilt`; of another type if it cannot be built.
    void (*raise)(input_cursor&, const rebuilt_exception&);
};

template <class E>
bool save_exception_data(output_buffer& buffer) {
    try {
        throw;
    } catch (const E& exact) {
        if constexpr (has_exception_data<E>)
            return exception_data<E>::save(buffer, exact);
        else
            detail::save(buffer, exact);
    }
    return true;
}

template <class E>
void raise_exception(input_cursor& cursor, const rebuilt_exception& rebuilt) {
    // A final class cannot be a RemoteException too: it arrives as itself.
    const auto raise = [&](auto&&... arguments) {
        const auto made = [&] {
            if constexpr (std::is_final_v<E>)
                return E(std::forward<decltype(arguments)>(arguments)...);
            else
                return Rebuilt<E>(rebuilt, std::forward<decltype(arguments)>(arguments)...);
        };
        if constexpr (travels_as_value<E>) {
            auto error = made();
            detail::load_into<E>(cursor, error);
            throw error;
        } else {
            throw made();
        }
    };
    if constexpr (std::is_same_v<E, RemoteError>)
        throw RemoteError(rebuilt.what(), rebuilt.type_name(), rebuilt.pid(),
                          rebuilt.process_name());
    else if constexpr (has_exception_data<E>)
        exception_data<E>::load(cursor, rebuilt.what(), raise);
    else if constexpr (std::is_constructible_v<E, const char*>)
        raise(rebuilt.what());
    else if constexpr (std::is_constructible_v<E, std::string>)
        raise(std::string(rebuilt.what()));
    else
        raise();
}

template <class E>
constexpr exception_entry make_exception_entry() {
    exception_entry entry{&typeid(E), &typeid(E), nullptr, &raise_exception<E>};
    if constexpr (!std::is_final_v<E> && !std::is_base_of_v<RemoteException, E>)
        entry.rebuilt = &typeid(Rebuilt<E>);
    if constexpr (has_exception_data<E> || travels_as_value<E>)
        entry.save = &save_exception_data<E>;
    return entry;
}

template <class... E>
inline constexpr exception_entry exception_entries[] = {make_exception_entry<E>()...};

/// The types that need not be registered.
inline constexpr std::span<const exception_entry> known_exceptions =
    exception_entries<std::exception, std::bad_exception, std::bad_alloc, std::bad_array_new_length,
                      std::bad_cast, std::bad_typeid, std::bad_any_cast, std::bad_weak_ptr,
                      std::bad_function_call, std::bad_optional_access, std::bad_variant_access,
                      std::logic_error, std::invalid_argument, std::domain_error, std::length_error,
                      std::out_of_range, std::runtime_error, std::range_error, std::overflow_error,
                      std::underflow_error, std::system_error, std::ios_base::failure,
                      std::filesystem::filesystem_error, ProcessError, TimeoutError, BufferTooShort,
                      AuthenticationError, OwnerDiedError, CancelledError, WorkerLostError,
                      RemoteError, PicklingError, UnpicklingError, ValueError, EOFError, Empty,
                      Full, BrokenBarrierError, KeyboardInterrupt>;

/// The types that were registered: a list that only grows, without lock, order of initialization or
/// destructor.
struct registered_exception {
    const exception_entry* entry;
    registered_exception* next = nullptr;

    static std::atomic<registered_exception*>& first() noexcept {
        static constinit std::atomic<registered_exception*> list{nullptr};
        return list;
    }
};

/// Puts E into the list, once.
template <class E>
void list_exception() {
    static registered_exception node{exception_entries<E>};
    static const bool listed = [] {
        node.next = registered_exception::first().load(std::memory_order_relaxed);
        while (!registered_exception::first().compare_exchange_weak(node.next, &node)) {
        }
        return true;
    }();
    (void)listed;
}

/// The entry of a type by its mangled name, be it the type itself or what it was rebuilt as.
inline const exception_entry* find_exception_entry(std::string_view name) {
    const auto is_of = [name](const exception_entry& entry) {
        return name == entry.type->name() || name == entry.rebuilt->name();
    };
    for (const exception_entry& entry : known_exceptions) {
        if (is_of(entry))
            return &entry;
    }
    for (const registered_exception* one = registered_exception::first().load(); one != nullptr;
         one = one->next) {
        if (is_of(*one->entry))
            return one->entry;
    }
    return nullptr;
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
