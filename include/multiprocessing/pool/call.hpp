// SPDX-License-Identifier: BSL-1.0
// Calls of typed functions as jobs in the parent: what is written for a worker, what comes back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/os/huge_pages.hpp>
#include <multiprocessing/pool/async_result.hpp>
#include <multiprocessing/pool/execute.hpp>
#include <multiprocessing/pool/imap.hpp>
#include <multiprocessing/pool/inputs.hpp>
#include <multiprocessing/pool/job.hpp>
#include <multiprocessing/pool/run_execution.hpp>
#include <multiprocessing/serialization/function.hpp>
#include <multiprocessing/serialization/pickle.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

// ---- in the parent: which function is called

/// A function that is sent with each run.
template <class F>
struct sent_function {
    using callable = F;
    std::decay_t<F> f;

    void write_prefix(output_buffer& out, const job_limits& limits) const {
        static const code_ref thunk = encode_code(reinterpret_cast<void*>(&execute_sent<F>));
        run_header header = make_header(thunk, limits);
        const std::size_t at = out.size();
        out.append_value(header);
        detail::save(out, f);
        header.function_size = static_cast<std::uint32_t>(out.size() - at - sizeof header);
        std::memcpy(out.data() + at, &header, sizeof header);
        append_padding(out);
    }
    [[nodiscard]] callee called() const noexcept {
        callee named{reinterpret_cast<const void*>(&execute_sent<F>), nullptr};
        if constexpr (std::is_pointer_v<std::decay_t<F>>)
            named.function = reinterpret_cast<const void*>(f);
        return named;
    }
    static run_header make_header(const code_ref& thunk, const job_limits& limits) noexcept {
        run_header header;
        header.thunk_image = thunk.image;
        header.thunk_offset = thunk.offset;
        header.timeout = static_cast<std::uint64_t>(limits.timeout.count());
        header.item_size = codec_of<F>::fixed_size;
        header.chunk = limits.chunk;
        return header;
    }
};

/// The function that the pool is bound to.
template <class F>
struct bound_function {
    using callable = F;

    void write_prefix(output_buffer& out, const job_limits& limits) const {
        static const code_ref thunk = encode_code(reinterpret_cast<void*>(&execute_bound<F>));
        out.append_value(sent_function<F>::make_header(thunk, limits));
    }
    [[nodiscard]] callee called() const noexcept {
        const auto* const thunk = reinterpret_cast<const void*>(&execute_bound<F>);
        return {thunk, thunk};
    }
};

// ---- in the parent: jobs

template <class R>
constexpr std::uint64_t fixed_result_size() noexcept {
    if constexpr (std::is_void_v<R>)
        return 1;
    else if constexpr (bitwise<R>)
        return sizeof(R);
    else
        return 0;
}

/// What jobs of all kinds have in common. `Value` is what the AsyncResult gives.
template <class Call, class Value>
class call_job : public remote_job {
  public:
    using function = typename Call::callable;
    using result = result_of<function>;
    using codec = codec_of<function>;

    call_job(Call call, const job_limits& limits, std::shared_ptr<executor> runs_on)
        : remote_job(limits), call_(std::move(call)) {
        cell_.runs_on = std::move(runs_on);
    }

    [[nodiscard]] result_cell<Value>& cell() noexcept { return cell_; }

    void write_prefix(output_buffer& out) const override { call_.write_prefix(out, limits()); }
    [[nodiscard]] std::uint64_t result_size() const noexcept override {
        return fixed_result_size<result>();
    }
    [[nodiscard]] callee called() const noexcept override { return call_.called(); }
    [[nodiscard]] std::uint8_t cost_key() const noexcept override { return call_.called().hash(); }

  protected:
    /// Writes items by `write(index)`, each in the form that its run demands.
    template <class Write>
    static std::uint64_t write_each(std::uint64_t first, std::uint64_t count, std::size_t enough,
                                    output_buffer& out, std::exception_ptr& failure, Write write) {
        const std::size_t start = out.size();
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::size_t at = out.size();
            if (at - start >= enough)
                return i;
            try {
                if constexpr (codec::fixed) {
                    write(first + i);
                } else {
                    out.append_value(std::uint64_t{0});
                    write(first + i);
                    const std::uint64_t size = out.size() - at - sizeof(std::uint64_t);
                    std::memcpy(out.data() + at, &size, sizeof size);
                    append_padding(out);
                }
            } catch (...) {
                out.truncate(at);
                failure = std::current_exception();
                return i;
            }
        }
        return count;
    }

    void fail_rest(const std::exception_ptr& error) override { cell_.error = error; }

    Call call_;
    result_cell<Value> cell_;
};

/// One call.
template <class Call>
class apply_job final : public call_job<Call, result_of<typename Call::callable>> {
    using base = call_job<Call, result_of<typename Call::callable>>;
    using result = typename base::result;

  public:
    using arguments = tuple_of<typename Call::callable>;

    apply_job(Call call, arguments values, const job_limits& limits,
              std::shared_ptr<executor> runs_on)
        : base(std::move(call), limits, std::move(runs_on)), arguments_(std::move(values)) {
        keep_for_job(*arguments_);
    }

    std::uint64_t write_items(std::uint64_t first, std::uint64_t count, std::size_t enough,
                              output_buffer& out, std::exception_ptr& failure) override {
        return base::write_each(first, count, enough, out, failure, [&](std::uint64_t) {
            std::apply([&](const auto&... values) { base::codec::write(out, values...); },
                       *arguments_);
        });
    }
    void release_inputs() noexcept override { arguments_.reset(); }

  protected:
    void store(std::uint64_t, std::uint64_t, std::span<const std::byte> bytes) override {
        try {
            if constexpr (std::is_void_v<result>) {
                this->cell_.value.emplace();
            } else {
                input_cursor in(bytes);
                this->cell_.value.emplace();
                detail::load_into(in, *this->cell_.value);
            }
        } catch (...) {
            this->cell_.error = std::current_exception();
        }
    }
    void fail(std::uint64_t, const std::exception_ptr& error) override {
        this->cell_.error = error;
    }

  private:
    std::optional<arguments> arguments_;
};

/// The list that a map gives, or nothing.
template <class R>
struct list_of_results {
    using type = std::vector<R>;
};
template <>
struct list_of_results<void> {
    using type = void;
};
template <class R>
using list_of = typename list_of_results<R>::type;

/// One call for each item. `Spread`: items are tuples of arguments.
template <class Call, class Items, bool Spread>
class map_job final : public call_job<Call, list_of<result_of<typename Call::callable>>> {
    using base = call_job<Call, list_of<result_of<typename Call::callable>>>;
    using result = typename base::result;

  public:
    map_job(Call call, Items items, const job_limits& limits, std::shared_ptr<executor> runs_on)
        : base(std::move(call), limits, std::move(runs_on)), items_(std::move(items)) {
        this->cell_.value.emplace();
        if constexpr (!std::is_void_v<result>) {
            auto& list = *this->cell_.value;
            list.reserve(limits.items);
            if constexpr (!std::is_same_v<result, bool>)
                os::advise_huge_pages(list.data(), limits.items * sizeof(result));
            list.resize(limits.items);
        }
    }

    std::uint64_t write_items(std::uint64_t first, std::uint64_t count, std::size_t enough,
                              output_buffer& out, std::exception_ptr& failure) override {
        using item = std::remove_cvref_t<decltype(items_[0])>;
        if constexpr (!Spread && bitwise<item>) {
            return write_block(first, count, enough, out, failure);
        } else {
            return base::write_each(first, count, enough, out, failure, [&](std::uint64_t i) {
                if constexpr (Spread)
                    std::apply([&](const auto&... values) { base::codec::write(out, values...); },
                               items_[i]);
                else
                    base::codec::write(out, items_[i]);
            });
        }
    }
    void release_inputs() noexcept override { items_.clear(); }

  protected:
    void store(std::uint64_t first, std::uint64_t count,
               std::span<const std::byte> bytes) override {
        if constexpr (!std::is_void_v<result>) {
            auto& list = *this->cell_.value;
            if constexpr (bitwise<result> && !std::is_same_v<result, bool>) {
                std::memcpy(static_cast<void*>(list.data() + first), bytes.data(), bytes.size());
            } else {
                input_cursor in(bytes);
                for (std::uint64_t i = first; i < first + count; ++i) {
                    try {
                        if constexpr (std::is_same_v<result, bool>)
                            list[i] = load<bool>(in);
                        else
                            detail::load_into(in, list[i]);
                    } catch (...) {
                        fail(i, std::current_exception());
                    }
                }
            }
        }
    }
    // The error of the first item that failed is the call's, as if the items had run in a row.
    void fail(std::uint64_t index, const std::exception_ptr& error) override {
        if (!this->cell_.error || index < failed_)
            this->cell_.error = error;
        failed_ = std::min(failed_, index);
    }

  private:
    std::uint64_t write_block(std::uint64_t first, std::uint64_t count, std::size_t enough,
                              output_buffer& out, std::exception_ptr& failure) {
        const std::size_t at = out.size();
        count = std::min<std::uint64_t>(count, enough / sizeof(*items_.data()) + 1);
        try {
            out.append(items_.data() + first, count * sizeof(*items_.data()));
        } catch (...) {
            out.truncate(at);
            failure = std::current_exception();
            return 0;
        }
        return count;
    }

    Items items_;
    std::uint64_t failed_ = ~std::uint64_t{0};
};

/// A chunk of an imap: one call for each item, each with an outcome of its own.
template <class Call>
class chunk_job final : public call_job<Call, void> {
    using base = call_job<Call, void>;
    using result = typename base::result;
    using item = item_of<typename Call::callable>;

  public:
    chunk_job(Call call, owned_items<item> items, const job_limits& limits,
              std::shared_ptr<executor> runs_on, std::shared_ptr<finished_line> line)
        : base(std::move(call), limits, std::move(runs_on)), items_(std::move(items)) {
        results_.outcomes.resize(limits.items);
        results_.line = std::move(line);
    }

    [[nodiscard]] chunk_results<result>& results() noexcept { return results_; }

    std::uint64_t write_items(std::uint64_t first, std::uint64_t count, std::size_t enough,
                              output_buffer& out, std::exception_ptr& failure) override {
        return base::write_each(first, count, enough, out, failure,
                                [&](std::uint64_t i) { base::codec::write(out, items_[i]); });
    }
    void release_inputs() noexcept override { items_.clear(); }

  protected:
    void store(std::uint64_t first, std::uint64_t count,
               std::span<const std::byte> bytes) override {
        input_cursor in(bytes);
        for (std::uint64_t i = first; i < first + count; ++i) {
            try {
                if constexpr (std::is_void_v<result>)
                    results_.set(i, {});
                else
                    results_.set(i, load<result>(in));
            } catch (...) {
                results_.set_error(i, std::current_exception());
            }
        }
    }
    void fail(std::uint64_t index, const std::exception_ptr& error) override {
        results_.set_error(index, error);
    }
    void fail_rest(const std::exception_ptr& error) override { results_.set_rest(error); }
    void notify() noexcept override { results_.line_up(*this); }

  private:
    owned_items<item> items_;
    chunk_results<result> results_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
