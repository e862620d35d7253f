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
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
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

/// A rebuilt exception: an E, and a RemoteException besides. Its text is the original's, whatever
/// E's constructor makes of it.
template <class E>
class Rebuilt final : public E, public RemoteException {
  public:
    // Long names, which hide no member of E.
    template <class... A>
    Rebuilt(const std::string& rebuilt_text, const exception_origin& rebuilt_origin,
            A&&... rebuilt_arguments)
        : E(std::forward<A>(rebuilt_arguments)...),
          RemoteException(rebuilt_origin.type_name, rebuilt_origin.pid,
                          rebuilt_origin.process_name),
          rebuilt_text_(std::make_shared<const std::string>(rebuilt_text)) {}

    [[nodiscard]] const char* what() const noexcept override { return rebuilt_text_->c_str(); }

  private:
    std::shared_ptr<const std::string> rebuilt_text_;  // exceptions copy without throwing
};

// ---- what travels besides the text

/// Types with data: how the data are taken from an exception and passed to its constructor. Without
/// a specialization E is built from its text, or from nothing, and filled by its `serialize`.
template <class E>
struct exception_data {};

/// An error code whose category every process knows.
struct known_code {
    std::int32_t value = 0;
    std::string category;

    static const std::error_category* find(std::string_view name) {
        for (const std::error_category* category :
             {&std::generic_category(), &std::system_category(), &std::iostream_category()}) {
            if (name == category->name())
                return category;
        }
        return nullptr;
    }
    static known_code of(const std::error_code& code) {
        return {code.value(), code.category().name()};
    }
    [[nodiscard]] bool known() const { return find(category) != nullptr; }
    [[nodiscard]] std::error_code code() const {
        if (!known())
            throw UnpicklingError("unpickling: an error code of an unknown category");
        return {value, *find(category)};
    }
};

template <>
struct exception_data<std::system_error> {
    using type = std::tuple<known_code>;
    static type take(const std::system_error& e) { return {known_code::of(e.code())}; }
    template <class Make>
    static auto build(const type& data, const std::string& text, Make make) {
        return make(std::get<0>(data).code(), text);
    }
};
template <>
struct exception_data<std::ios_base::failure> {
    using type = std::tuple<known_code>;
    static type take(const std::ios_base::failure& e) { return {known_code::of(e.code())}; }
    template <class Make>
    static auto build(const type& data, const std::string& text, Make make) {
        return make(text, std::get<0>(data).code());
    }
};
template <>
struct exception_data<std::filesystem::filesystem_error> {
    using type = std::tuple<known_code, std::filesystem::path, std::filesystem::path>;
    static type take(const std::filesystem::filesystem_error& e) {
        return {known_code::of(e.code()), e.path1(), e.path2()};
    }
    template <class Make>
    static auto build(const type& data, const std::string& text, Make make) {
        return make(text, std::get<1>(data), std::get<2>(data), std::get<0>(data).code());
    }
};
template <>
struct exception_data<WorkerLostError> {
    using type = std::tuple<std::int32_t, std::int32_t>;
    static type take(const WorkerLostError& e) { return {e.pid(), e.exitcode()}; }
    template <class Make>
    static auto build(const type& data, const std::string& text, Make make) {
        return make(text, std::get<0>(data), std::get<1>(data));
    }
};

template <class E>
concept has_exception_data = requires {
    typename exception_data<E>::type;
};

template <class E>
concept text_constructible =
    std::is_constructible_v<E, std::string> || std::is_constructible_v<E, const char*>;

// ---- one entry for each type

/// What can be done with an exception of one type.
struct exception_entry {
    const std::type_info& type;
    const std::type_info& rebuilt;
    /// Writes the data of the exception that is being handled; false if it cannot be rebuilt.
    bool (*save)(output_buffer&);
    std::exception_ptr (*load)(input_cursor&, const std::string& text, const exception_origin&);
    const exception_entry* next = nullptr;
};

/// Types that are filled with what they held, besides their text.
template <class E>
inline constexpr bool travels_as_value = boost_serializable<E> ||
                                         (!std::is_base_of_v<std::exception, E> && Picklable<E>);

template <class E>
bool save_exception_data(output_buffer& buffer) {
    try {
        throw;
    } catch (const E& exact) {
        if constexpr (has_exception_data<E>) {
            const auto data = exception_data<E>::take(exact);
            if constexpr (requires { std::get<0>(data).known(); }) {
                if (!std::get<0>(data).known())
                    return false;
            }
            detail::save(buffer, data);
        } else if constexpr (travels_as_value<E>) {
            detail::save(buffer, exact);
        }
    }
    return true;
}

template <class E>
std::exception_ptr load_exception_data(input_cursor& cursor, const std::string& text,
                                       const exception_origin& origin) {
    // A final class cannot be a RemoteException too: it arrives as itself.
    const auto thrown = [&](auto&&... a) {
        if constexpr (std::is_final_v<E>) {
            E error(std::forward<decltype(a)>(a)...);
            if constexpr (travels_as_value<E>)
                load_into<E>(cursor, error);
            return std::make_exception_ptr(std::move(error));
        } else {
            Rebuilt<E> error(text, origin, std::forward<decltype(a)>(a)...);
            if constexpr (travels_as_value<E>)
                load_into<E>(cursor, error);
            return std::make_exception_ptr(std::move(error));
        }
    };
    if constexpr (has_exception_data<E>)
        return exception_data<E>::build(load<typename exception_data<E>::type>(cursor), text,
                                        thrown);
    else if constexpr (std::is_constructible_v<E, std::string>)
        return thrown(text);
    else if constexpr (std::is_constructible_v<E, const char*>)
        return thrown(text.c_str());
    else
        return thrown();
}

template <>
inline std::exception_ptr load_exception_data<RemoteError>(input_cursor&, const std::string& text,
                                                           const exception_origin& origin) {
    return std::make_exception_ptr(
        RemoteError(text, origin.type_name, origin.pid, origin.process_name));
}

// ---- the list of entries, which only grows: no lock, no order of initialization, no destructor

inline std::atomic<const exception_entry*>& exception_entries() noexcept {
    static std::atomic<const exception_entry*> first{nullptr};
    return first;
}

template <class E>
const std::type_info& rebuilt_type() {
    if constexpr (std::is_final_v<E> || std::is_base_of_v<RemoteException, E>)
        return typeid(E);
    else
        return typeid(Rebuilt<E>);
}

/// The entry of E; the first call puts it into the list.
template <class E>
const exception_entry& exception_entry_of() {
    static const exception_entry* const entry = [] {
        auto* made = new exception_entry{typeid(E), rebuilt_type<E>(), &save_exception_data<E>,
                                         &load_exception_data<E>};
        made->next = exception_entries().load(std::memory_order_relaxed);
        while (!exception_entries().compare_exchange_weak(made->next, made)) {
        }
        return made;
    }();
    return *entry;
}

template <class... E>
bool list_exceptions() {
    ((void)exception_entry_of<E>(), ...);
    return true;
}

/// The entry of a type by its mangled name, be it the type itself or what it was rebuilt as.
inline const exception_entry* find_exception_entry(std::string_view name) {
    static const bool listed =
        list_exceptions<std::exception, std::bad_exception, std::bad_alloc,
                        std::bad_array_new_length, std::bad_cast, std::bad_typeid,
                        std::bad_any_cast, std::bad_weak_ptr, std::bad_function_call,
                        std::bad_optional_access, std::bad_variant_access>() &&
        list_exceptions<std::logic_error, std::invalid_argument, std::domain_error,
                        std::length_error, std::out_of_range, std::runtime_error, std::range_error,
                        std::overflow_error, std::underflow_error, std::system_error,
                        std::ios_base::failure, std::filesystem::filesystem_error>() &&
        list_exceptions<ProcessError, TimeoutError, BufferTooShort, AuthenticationError,
                        OwnerDiedError, CancelledError, WorkerLostError, RemoteError, PicklingError,
                        UnpicklingError, ValueError, EOFError, Empty, Full, BrokenBarrierError,
                        KeyboardInterrupt>();
    (void)listed;
    for (const exception_entry* entry = exception_entries().load(std::memory_order_acquire);
         entry != nullptr; entry = entry->next) {
        if (name == entry->type.name() || name == entry->rebuilt.name())
            return entry;
    }
    return nullptr;
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
