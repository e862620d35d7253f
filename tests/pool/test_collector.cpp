// SPDX-License-Identifier: BSL-1.0
// Answers of which a part is damaged.
#include <multiprocessing/pool/collector.hpp>

#include <cstdint>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace mp = multiprocessing;
using namespace multiprocessing::detail;

namespace {

/// Counts how often each item is settled. Items and results are ints.
class counting_job final : public remote_job {
  public:
    explicit counting_job(const job_limits& limits) : remote_job(limits), settled_(limits.items) {}

    void write_prefix(output_buffer&) const override {}
    std::uint64_t write_items(std::uint64_t, std::uint64_t count, std::size_t, output_buffer&,
                              std::exception_ptr&) override {
        return count;
    }
    [[nodiscard]] std::uint64_t result_size() const noexcept override { return sizeof(int); }
    [[nodiscard]] std::uint8_t cost_key() const noexcept override { return 0; }
    [[nodiscard]] const std::vector<int>& times_settled() const noexcept { return settled_; }

  protected:
    void store(std::uint64_t first, std::uint64_t count, std::span<const std::byte>) override {
        for (std::uint64_t i = first; i < first + count; ++i)
            ++settled_[i];
    }
    void fail(std::uint64_t index, const std::exception_ptr&) override { ++settled_[index]; }
    void fail_rest(const std::exception_ptr&) override {}

  private:
    std::vector<int> settled_;
};

void append_block(heap_buffer& records, std::uint64_t items) {
    records.append_value(record_word(record_kind::block, items));
    for (std::uint64_t i = 0; i < items; ++i)
        records.append_value(static_cast<int>(i));
    append_padding(records);
}

}  // namespace

TEST_CASE("What stands before damage in an answer is settled once", "[pool]") {
    const counted<counting_job> job(new counting_job({.items = 8, .chunk = 8}));
    flight sent;
    sent.number = 1;
    sent.items = 8;
    sent.slices.push_back({job, 0, 8});
    cost_table costs;
    collector collects(costs);
    std::vector<job_ref> done;

    heap_buffer damaged;
    append_block(damaged, 5);
    damaged.append_value(record_word(record_kind::block, 0));
    CHECK_THROWS_AS(collects.settle(sent, {1, 8, 0, damaged.bytes(), nullptr}, done),
                    mp::UnpicklingError);
    CHECK(sent.settled == 5);
    CHECK_FALSE(job->settled());

    heap_buffer whole;  // as it is read again where the worker composed it
    append_block(whole, 8);
    collects.settle(sent, {1, 8, 0, whole.bytes(), nullptr}, done);
    CHECK(job->times_settled() == std::vector<int>(8, 1));
    CHECK(sent.settled == 8);
    REQUIRE(done.size() == 1);
    CHECK(done.front().get() == job.get());
}
