// SPDX-License-Identifier: BSL-1.0
// Exceptions as data: written in the process that threw, rebuilt with their own type in the
// caller's.
#pragma once

#include <cxxabi.h>

#include <cstdint>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/os/process_id.hpp>
#include <multiprocessing/serialization/exception_types.hpp>
#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/serialization/type_name.hpp>

namespace multiprocessing {
inline namespace v0 {

/// Makes an exception type known, so that it crosses processes with its own type.
/// @tparam E a class. One that derives from std::exception is constructible from its `what()`, or
/// has a Boost.Serialization `serialize` and a default constructor; with both, it is constructed
/// from its text and then filled by `serialize`. Any other is picklable and default constructible.
/// Objects of classes derived from E are not meant.
/// @returns true, for `const bool known = register_exception<MyError>();` at namespace scope, which
/// makes every process know it before `main`
/// @note May be called by any thread, at any time, more than once.
/// @par Python needs no such call: pickle finds an exception's class by its name.
template <class E>
bool register_exception() {
    static_assert(std::is_class_v<E>,
                  "multiprocessing::register_exception: the type is no class: it neither derives "
                  "from std::exception nor can it carry where it was thrown");
    constexpr bool has_text = std::is_base_of_v<std::exception, E> && detail::text_constructible<E>;
    constexpr bool can_travel = has_text || (std::is_default_constructible_v<E> && Picklable<E>);
    static_assert(!std::is_class_v<E> || can_travel,
                  "multiprocessing::register_exception: this exception cannot be pickled: give it "
                  "a constructor from std::string (its what()), or a default constructor and a "
                  "Boost.Serialization serialize()");
    if constexpr (std::is_class_v<E> && can_travel)
        detail::list_exception<E>();
    return true;
}

namespace detail {

/// An exception as it travels; the payload is what its entry wrote.
struct exception_record {
    std::string key;  // the mangled name of a type that can be rebuilt; empty: none can
    std::string text;
    exception_origin origin;
    std::string payload;

    void save(output_buffer& buffer) const {
        buffer.append_value(origin.pid);
        for (const std::string* part :
             {&key, &text, &origin.type_name, &origin.process_name, &payload})
            detail::save(buffer, *part);
    }
    void load(input_cursor& cursor) {
        origin.pid = cursor.read_value<std::int32_t>();
        for (std::string* part : {&key, &text, &origin.type_name, &origin.process_name, &payload})
            load_into(cursor, *part);
    }
};

/// Appends what a nested exception says, so that a chain of causes arrives as one text.
inline void append_causes(std::string& text, const std::exception& error, int depth = 0) {
    const auto* nested = dynamic_cast<const std::nested_exception*>(&error);
    if (nested == nullptr || !nested->nested_ptr() || depth == 16)
        return;
    text += "; caused by: ";
    try {
        nested->rethrow_nested();
    } catch (const std::exception& cause) {
        text += cause.what();
        append_causes(text, cause, depth + 1);
    } catch (...) {
        text += "an exception that is no std::exception";
    }
}

/// Takes what the exception that is being handled is rebuilt from, if its type is known.
inline void save_data(exception_record& record, const exception_entry* entry) {
    if (entry == nullptr)
        return;
    try {
        heap_buffer payload;
        if (entry->save == nullptr || entry->save(payload)) {
            record.payload.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
            record.key = entry->type->name();
        }
    } catch (const std::bad_alloc&) {
        throw;
    } catch (...) {
        record.payload.clear();  // its own serialize() failed: the text arrives as a RemoteError
    }
}

/// Describes the exception that is being handled, if it is no std::exception.
inline void describe_other(exception_record& record) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    const exception_entry* entry = type == nullptr ? nullptr : find_exception_entry(type->name());
    record.origin.type_name =
        type == nullptr ? "unknown" : type_name(entry != nullptr ? *entry->type : *type);
    save_data(record, entry);
    try {
        throw;
    } catch (const RemoteException& error) {
        record.text = error.what();
        record.origin = {error.type_name(), error.pid(), error.process_name()};
    } catch (const std::string& text) {
        record.text = text;
    } catch (const char* text) {
        record.text = text == nullptr ? "a null const char*" : text;
    } catch (int number) {
        record.text = "the int " + std::to_string(number);
    } catch (long number) {
        record.text = "the long " + std::to_string(number);
    } catch (...) {
        record.text = "an object of type " + record.origin.type_name;
    }
}

/// Fills a record from a std::exception, which is being handled.
inline void describe(exception_record& record, const std::exception& error) {
    record.text = error.what();
    append_causes(record.text, error);
    const exception_entry* entry = find_exception_entry(typeid(error).name());
    record.origin.type_name = type_name(entry != nullptr ? *entry->type : typeid(error));
    if (const auto* remote = dynamic_cast<const RemoteException*>(&error)) {
        // It passes through this process: where it came from stays what it is.
        record.origin = {remote->type_name(), remote->pid(), remote->process_name()};
    }
    save_data(record, entry);
}

/// Writes an exception.
/// @param error the exception; it is thrown and caught here
/// @param process_name the name of this process, as `RemoteException::process_name` gives it
/// @throws std::bad_alloc, and what the buffer throws when it cannot grow; nothing else
inline void save_exception(output_buffer& buffer, std::exception_ptr error,
                           std::string_view process_name) {
    exception_record record;
    record.origin.pid = os::process_id();
    record.origin.process_name = process_name;
    if (error == nullptr) {
        record.text = "no exception";
    } else {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& caught) {
            describe(record, caught);
        } catch (...) {
            describe_other(record);
        }
    }
    record.save(buffer);
}

/// What building an exception failed with, as an UnpicklingError; it is being handled.
[[noreturn]] inline void rethrow_as_unpickling_error(const std::string& type) {
    try {
        throw;
    } catch (const UnpicklingError&) {
        throw;
    } catch (const std::exception& failure) {
        throw UnpicklingError("unpickling: an exception of type " + type + ": " + failure.what());
    } catch (...) {
        throw UnpicklingError("unpickling: an exception of type " + type);
    }
}

/// Reads an exception, which is then of the type that was thrown and a RemoteException, or a
/// RemoteError if this process cannot build that type.
/// @throws UnpicklingError when the bytes are damaged
[[nodiscard]] inline std::exception_ptr load_exception(input_cursor& cursor) {
    exception_record record;
    record.load(cursor);
    const rebuilt_exception rebuilt(record.text, record.origin);
    const exception_entry* entry =
        record.key.empty() ? nullptr : find_exception_entry(record.key.c_str());
    input_cursor payload(std::as_bytes(std::span(record.payload)));
    try {
        if (entry == nullptr)
            raise_exception<RemoteError>(payload, rebuilt);
        else
            entry->raise(payload, rebuilt);
    } catch (...) {
        const std::type_info* raised = abi::__cxa_current_exception_type();
        const bool is_built = raised != nullptr &&
                              *raised == (entry == nullptr ? typeid(RemoteError) : *entry->rebuilt);
        // What a type that is unknown here would read is left.
        if (is_built && (entry == nullptr || payload.remaining() == 0))
            return std::current_exception();
        if (is_built)
            throw UnpicklingError("unpickling: bytes are left after an exception");
        rethrow_as_unpickling_error(entry == nullptr ? "RemoteError" : type_name(*entry->type));
    }
    std::terminate();  // every raise throws
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
