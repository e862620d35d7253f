// SPDX-License-Identifier: BSL-1.0
// Exceptions arrive with their own type, their text, their data and their origin.

#include <any>
#include <ios>

#include "serialization/round_trip.hpp"
#include "support/catch.hpp"

namespace mp = multiprocessing;
namespace detail = multiprocessing::detail;

namespace exception_test {

struct Coded : std::runtime_error {
    using std::runtime_error::runtime_error;
    int code = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& code;
    }
};
struct Formatted : std::exception {  // its text is made of its data
    int line = 0;
    std::string text = "line 0";
    Formatted() = default;
    explicit Formatted(int n) : line(n), text("line " + std::to_string(n)) {}
    const char* what() const noexcept override { return text.c_str(); }
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
        archive& line& text;
    }
};
struct Decorated : std::logic_error {
    explicit Decorated(const std::string& s) : std::logic_error("decorated: " + s) {}
};
struct Final final : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct Literal : std::runtime_error {
    explicit Literal(const char* s) : std::runtime_error(s) {}
};
struct Stranger : std::out_of_range {
    using std::out_of_range::out_of_range;
};
struct MoreCoded : Coded {
    using Coded::Coded;
};
struct Refuses : std::runtime_error {
    using std::runtime_error::runtime_error;
    template <class Archive>
    void serialize(Archive&, unsigned) {
        if constexpr (Archive::is_saving::value)
            throw std::logic_error("no");
    }
};
struct DataError {  // no std::exception
    int code = 0;
    std::string details;
};
struct Category : std::error_category {
    const char* name() const noexcept override { return "mine"; }
    std::string message(int) const override { return "my message"; }
};

const bool known = mp::register_exception<Coded>() && mp::register_exception<Formatted>() &&
                   mp::register_exception<Decorated>() && mp::register_exception<Final>() &&
                   mp::register_exception<Literal>() && mp::register_exception<Refuses>() &&
                   mp::register_exception<DataError>();

}  // namespace exception_test

using namespace exception_test;

namespace {

std::exception_ptr sent(const std::exception_ptr& error) {
    detail::heap_buffer out;
    detail::save_exception(out, error, "worker-1");
    detail::input_cursor in(out.bytes());
    const auto result = detail::load_exception(in);
    REQUIRE(in.remaining() == 0);
    return result;
}

/// Sends an E; checks its type, text and origin, and returns a copy of what arrived.
template <class E>
E arrives(const E& error, const std::string& name) {
    try {
        std::rethrow_exception(sent(std::make_exception_ptr(error)));
    } catch (const E& caught) {
        INFO(name);
        CHECK(std::string(caught.what()) == error.what());
        const auto* remote = dynamic_cast<const mp::RemoteException*>(&caught);
        REQUIRE(remote != nullptr);
        CHECK(remote->type_name() == name);
        CHECK(std::string(remote->what()) == error.what());
        CHECK(remote->pid() == mp::os::process_id());
        CHECK(remote->process_name() == "worker-1");
        CHECK((typeid(caught) == typeid(detail::Rebuilt<E>)));
        return caught;
    } catch (...) {
        FAIL("another type than " << name);
    }
    return error;
}

template <class Thrown>
mp::RemoteError arrives_as_remote_error(const Thrown& thrown) {
    try {
        std::rethrow_exception(sent(std::make_exception_ptr(thrown)));
    } catch (const mp::RemoteError& error) {
        return error;
    } catch (...) {
        FAIL("not a RemoteError");
    }
    return mp::RemoteError("");
}

}  // namespace

TEST_CASE("The standard library's exceptions arrive with their own type", "[exception]") {
    arrives(std::exception(), "std::exception");
    arrives(std::bad_alloc(), "std::bad_alloc");
    arrives(std::bad_array_new_length(), "std::bad_array_new_length");
    arrives(std::bad_cast(), "std::bad_cast");
    arrives(std::bad_typeid(), "std::bad_typeid");
    arrives(std::bad_exception(), "std::bad_exception");
    arrives(std::bad_any_cast(), "std::bad_any_cast");
    arrives(std::bad_weak_ptr(), "std::bad_weak_ptr");
    arrives(std::bad_function_call(), "std::bad_function_call");
    arrives(std::bad_optional_access(), "std::bad_optional_access");
    arrives(std::bad_variant_access(), "std::bad_variant_access");
    arrives(std::logic_error("a"), "std::logic_error");
    arrives(std::invalid_argument("b"), "std::invalid_argument");
    arrives(std::domain_error("c"), "std::domain_error");
    arrives(std::length_error("d"), "std::length_error");
    arrives(std::out_of_range("e"), "std::out_of_range");
    arrives(std::runtime_error(""), "std::runtime_error");
    arrives(std::range_error("g"), "std::range_error");
    arrives(std::overflow_error("h"), "std::overflow_error");
    arrives(std::underflow_error("i"), "std::underflow_error");
}

TEST_CASE("Errors of the system keep their code", "[exception]") {
    const auto system =
        arrives(std::system_error(2, std::generic_category(), "open"), "std::system_error");
    REQUIRE(system.code() == std::errc::no_such_file_or_directory);
    REQUIRE(system.code().category() == std::generic_category());
    const auto file = arrives(std::filesystem::filesystem_error(
                                  "rename", "/a", "/b", std::error_code(1, std::system_category())),
                              "std::filesystem::__cxx11::filesystem_error");
    REQUIRE(file.path1() == "/a");
    REQUIRE(file.path2() == "/b");
    REQUIRE(file.code() == std::errc::operation_not_permitted);
    arrives(std::ios_base::failure("stream"), "std::ios_base::failure[abi:cxx11]");
}

TEST_CASE("An error code of a category of the program's own arrives as text", "[exception]") {
    static const Category mine;
    const auto error = arrives_as_remote_error(std::system_error(1, mine, "call"));
    REQUIRE(std::string(error.what()) == "call: my message");
    REQUIRE(error.type_name() == "std::system_error");
}

TEST_CASE("The library's own errors arrive with their own type", "[exception]") {
    const std::string ns = "multiprocessing::v0::";
    arrives(mp::ProcessError("a"), ns + "ProcessError");
    arrives(mp::TimeoutError("a"), ns + "TimeoutError");
    arrives(mp::BufferTooShort("a"), ns + "BufferTooShort");
    arrives(mp::AuthenticationError("a"), ns + "AuthenticationError");
    arrives(mp::OwnerDiedError("a"), ns + "OwnerDiedError");
    arrives(mp::CancelledError("a"), ns + "CancelledError");
    arrives(mp::PicklingError("a"), ns + "PicklingError");
    arrives(mp::UnpicklingError("a"), ns + "UnpicklingError");
    arrives(mp::ValueError("a"), ns + "ValueError");
    arrives(mp::EOFError("a"), ns + "EOFError");
    arrives(mp::Empty("a"), ns + "Empty");
    arrives(mp::Full("a"), ns + "Full");
    arrives(mp::BrokenBarrierError("a"), ns + "BrokenBarrierError");
    arrives(mp::KeyboardInterrupt("a"), ns + "KeyboardInterrupt");
    const auto lost = arrives(mp::WorkerLostError("gone", 77, -9), ns + "WorkerLostError");
    REQUIRE(lost.pid() == 77);
    REQUIRE(lost.exitcode() == -9);
}

TEST_CASE("Registered exceptions arrive with their type and their data", "[exception]") {
    Coded coded("text");
    coded.code = 42;
    REQUIRE(arrives(coded, "exception_test::Coded").code == 42);
    REQUIRE(arrives(Formatted(7), "exception_test::Formatted").line == 7);
    arrives(Literal("lit"), "exception_test::Literal");
}

TEST_CASE("The text is the original's, whatever the constructor adds", "[exception]") {
    arrives(Decorated("x"), "exception_test::Decorated");
}

TEST_CASE("A final class arrives as itself", "[exception]") {
    REQUIRE_THROWS_AS(std::rethrow_exception(sent(std::make_exception_ptr(Final("f")))), Final);
}

TEST_CASE("A class that is not registered arrives as RemoteError, not as its base", "[exception]") {
    const auto error = arrives_as_remote_error(Stranger("where"));
    REQUIRE(error.type_name() == "exception_test::Stranger");
    REQUIRE(std::string(error.what()) == "where");
    REQUIRE(arrives_as_remote_error(MoreCoded("m")).type_name() == "exception_test::MoreCoded");
}

TEST_CASE("Objects that are no std::exception arrive as text", "[exception]") {
    REQUIRE(std::string(arrives_as_remote_error(5).what()) == "the int 5");
    REQUIRE(arrives_as_remote_error(5).type_name() == "int");
    REQUIRE(std::string(arrives_as_remote_error(std::string("s")).what()) == "s");
    REQUIRE(std::string(arrives_as_remote_error("literal").what()) == "literal");
    REQUIRE_THAT(arrives_as_remote_error(2.5).what(), Catch::Contains("double"));
}

TEST_CASE("A type with data that is registered in the sender alone arrives as RemoteError",
          "[exception]") {
    detail::heap_buffer out;
    detail::save_exception(out, std::make_exception_ptr(DataError{7, "seven"}), "worker-1");
    detail::exception_record record;
    detail::input_cursor written(out.bytes());
    record.load(written);
    REQUIRE_FALSE(record.payload.empty());
    record.key = "unknown here";
    detail::heap_buffer other;
    record.save(other);
    detail::input_cursor in(other.bytes());
    try {
        std::rethrow_exception(detail::load_exception(in));
    } catch (const mp::RemoteError& error) {
        CHECK(error.type_name() == "exception_test::DataError");
        CHECK(error.process_name() == "worker-1");
    }
}

TEST_CASE("Registered objects that are no std::exception arrive with their data", "[exception]") {
    const auto rethrown = [](const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const DataError& caught) {
            CHECK(caught.code == 7);
            CHECK(caught.details == "seven");
        } catch (...) {
            FAIL("another type");
        }
        try {
            std::rethrow_exception(error);
        } catch (const mp::RemoteException& remote) {
            CHECK(remote.type_name() == "exception_test::DataError");
            CHECK(remote.process_name() == "worker-1");
            CHECK_FALSE(std::string(remote.what()).empty());
        }
    };
    const auto once = sent(std::make_exception_ptr(DataError{7, "seven"}));
    rethrown(once);
    rethrown(sent(once));
}

TEST_CASE("An exception whose serialize fails arrives as its text", "[exception]") {
    const auto error = arrives_as_remote_error(Refuses("still said"));
    REQUIRE(std::string(error.what()) == "still said");
    REQUIRE(error.type_name() == "exception_test::Refuses");
}

TEST_CASE("An exception that passes through keeps its type and its origin", "[exception]") {
    const auto first = sent(std::make_exception_ptr(std::out_of_range("deep")));
    detail::heap_buffer out;
    detail::save_exception(out, first, "middle");
    detail::input_cursor in(out.bytes());
    try {
        std::rethrow_exception(detail::load_exception(in));
    } catch (const std::out_of_range& error) {
        REQUIRE(std::string(error.what()) == "deep");
        REQUIRE(dynamic_cast<const mp::RemoteException&>(error).process_name() == "worker-1");
        REQUIRE(dynamic_cast<const mp::RemoteException&>(error).type_name() == "std::out_of_range");
    }
    const auto twice = sent(sent(std::make_exception_ptr(Stranger("s"))));
    try {
        std::rethrow_exception(twice);
    } catch (const mp::RemoteError& error) {
        REQUIRE(error.type_name() == "exception_test::Stranger");
    }
}

TEST_CASE("The causes of a nested exception are told", "[exception]") {
    std::exception_ptr nested;
    try {
        try {
            throw std::runtime_error("inner");
        } catch (...) {
            std::throw_with_nested(std::logic_error("outer"));
        }
    } catch (...) {
        nested = std::current_exception();
    }
    REQUIRE_THROWS_WITH(std::rethrow_exception(sent(nested)),
                        Catch::Contains("outer") && Catch::Contains("inner"));
}

TEST_CASE("No exception at all is an exception, too", "[exception]") {
    REQUIRE_THROWS_AS(std::rethrow_exception(sent(nullptr)), mp::RemoteError);
}

TEST_CASE("A rebuilt exception is caught as std::exception and as RemoteException", "[exception]") {
    const auto error = sent(std::make_exception_ptr(Coded("c")));
    REQUIRE_THROWS_AS(std::rethrow_exception(error), std::exception);
    try {
        std::rethrow_exception(error);
    } catch (const mp::RemoteException& remote) {
        REQUIRE(remote.type_name() == "exception_test::Coded");
    }
}
