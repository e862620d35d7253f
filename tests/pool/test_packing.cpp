// SPDX-License-Identifier: BSL-1.0
// Which calls stand behind one prefix in a message.
#include <multiprocessing/pool/packing.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "support/catch.hpp"

namespace packing_test {

using namespace multiprocessing::detail;
using namespace std::chrono_literals;

namespace {

/// A call that counts how often its prefix is written. Its items are ints.
class prefixed_job final : public remote_job {
  public:
    prefixed_job(std::string_view function, callee called, const job_limits& limits = {})
        : remote_job(limits), function_(function), called_(called) {}

    void write_prefix(output_buffer& out) const override {
        ++prefixes;
        run_header header;
        header.timeout = static_cast<std::uint64_t>(limits().timeout.count());
        header.item_size = sizeof(int);
        header.chunk = limits().chunk;
        header.function_size = static_cast<std::uint32_t>(function_.size());
        out.append_value(header);
        out.append(function_.data(), function_.size());
        append_padding(out);
    }
    std::uint64_t write_items(std::uint64_t, std::uint64_t count, std::size_t, output_buffer& out,
                              std::exception_ptr& failure) override {
        if (fails) {
            failure = std::make_exception_ptr(std::runtime_error("not today"));
            return 0;
        }
        for (std::uint64_t i = 0; i < count; ++i)
            out.append_value(7);
        return count;
    }
    [[nodiscard]] std::uint64_t result_size() const noexcept override { return 0; }
    [[nodiscard]] callee called() const noexcept override { return called_; }
    [[nodiscard]] std::uint8_t cost_key() const noexcept override { return 0; }

    mutable int prefixes = 0;
    bool fails = false;

  protected:
    void store(std::uint64_t, std::uint64_t, std::span<const std::byte>) override {}
    void fail(std::uint64_t, const std::exception_ptr&) override {}
    void fail_rest(const std::exception_ptr&) override {}

  private:
    std::string_view function_;
    callee called_;
};

/// How many items each run of the message has.
std::vector<std::uint64_t> runs_of(const heap_buffer& message) {
    std::vector<std::uint64_t> runs;
    input_cursor body(message.bytes());
    while (body.remaining() != 0) {
        const auto header = body.read_value<run_header>();
        body.take(header.function_size);
        body.take(padding(header.function_size));
        const std::uint64_t items = header.item_size * header.items;
        body.take(items);
        body.take(std::min<std::uint64_t>(padding(items), body.remaining()));
        runs.push_back(header.items);
    }
    return runs;
}

struct Packing {
    heap_buffer message;
    run_writer writer;
    std::exception_ptr failure;

    Packing() { writer.start_message(run_writer::cut_chunks); }
    std::uint64_t write(prefixed_job& job, bool joins = true) {
        return writer.write(job, 0, job.limits().items, message, failure, joins);
    }
};

const int thunk = 0, other_thunk = 0, square = 0, cube = 0;

using runs = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("A prefix is written once for calls of one function", "[pool][packing]") {
    Packing packing;
    prefixed_job first("square", {&thunk, &square}), second("square", {&thunk, &square});
    for (int i = 0; i < 3; ++i) {
        REQUIRE(packing.write(first) == 1);
        REQUIRE(packing.write(second) == 1);
    }
    CHECK(runs_of(packing.message) == runs{6});
    CHECK(first.prefixes == 1);
    CHECK(second.prefixes == 0);
}

TEST_CASE("Each message has a prefix of its own", "[pool][packing]") {
    Packing packing;
    prefixed_job call("square", {&thunk, &square});
    REQUIRE(packing.write(call) == 1);
    packing.message.clear();
    packing.writer.start_message(run_writer::cut_chunks);
    REQUIRE(packing.write(call) == 1);
    CHECK(runs_of(packing.message) == runs{1});
}

TEST_CASE("Calls of other functions or limits begin a run", "[pool][packing]") {
    Packing packing;
    prefixed_job call("square", {&thunk, &square});
    prefixed_job of_other_function("cube", {&thunk, &cube});
    prefixed_job of_other_type("thing", {&other_thunk, &square});
    prefixed_job timed("square", {&thunk, &square}, {.timeout = 1s});
    prefixed_job chunk("square", {&thunk, &square}, {.items = 5, .chunk = 5});
    prefixed_job other_chunk("square", {&thunk, &square}, {.items = 5, .chunk = 5});
    for (prefixed_job* const other :
         {&of_other_function, &of_other_type, &timed, &chunk, &other_chunk}) {
        REQUIRE(packing.write(call) == 1);
        REQUIRE(packing.write(*other) == other->limits().items);
    }
    CHECK(runs_of(packing.message) == runs{1, 1, 1, 1, 1, 1, 1, 5, 1, 5});
    REQUIRE(packing.write(other_chunk) == 5);
    CHECK(runs_of(packing.message) == runs{1, 1, 1, 1, 1, 1, 1, 5, 1, 10});
    REQUIRE(packing.write(call, false) == 1);
    CHECK(runs_of(packing.message) == runs{1, 1, 1, 1, 1, 1, 1, 5, 1, 10, 1});
}

TEST_CASE("Chunks of two jobs are never one run", "[pool][packing]") {
    Packing packing;
    const job_limits chunks{.items = 5, .chunk = 5};
    prefixed_job first("square", {&thunk, &square}, chunks);
    prefixed_job second("square", {&thunk, &square}, chunks);
    REQUIRE(packing.write(first) == 5);
    REQUIRE(packing.write(second) == 5);
    CHECK(runs_of(packing.message) == runs{5, 5});
}

TEST_CASE("The bytes of a prefix tell functions with a state apart", "[pool][packing]") {
    Packing packing;
    prefixed_job adds_one("add 1", {&thunk, nullptr}), adds_one_too("add 1", {&thunk, nullptr});
    prefixed_job adds_two("add 2", {&thunk, nullptr});
    REQUIRE(packing.write(adds_one) == 1);
    REQUIRE(packing.write(adds_one_too) == 1);
    REQUIRE(packing.write(adds_two) == 1);
    CHECK(runs_of(packing.message) == runs{2, 1});
    CHECK(adds_one_too.prefixes == 1);
}

TEST_CASE("A run goes on behind an item that cannot be written", "[pool][packing]") {
    Packing packing;
    prefixed_job call("square", {&thunk, &square}), bad("square", {&thunk, &square});
    prefixed_job bad_cube("cube", {&thunk, &cube});
    bad.fails = bad_cube.fails = true;
    SECTION("at the beginning") {
        CHECK(packing.write(bad) == 0);
        CHECK(packing.failure != nullptr);
        CHECK(packing.message.size() == 0);
        REQUIRE(packing.write(call) == 1);
        CHECK(runs_of(packing.message) == runs{1});
    }
    SECTION("of the same function") {
        REQUIRE(packing.write(call) == 1);
        CHECK(packing.write(bad) == 0);
        REQUIRE(packing.write(call) == 1);
        CHECK(runs_of(packing.message) == runs{2});
    }
    SECTION("of another one") {
        REQUIRE(packing.write(call) == 1);
        CHECK(packing.write(bad_cube) == 0);
        REQUIRE(packing.write(call) == 1);
        CHECK(runs_of(packing.message) == runs{1, 1});
    }
}

}  // namespace packing_test
