// SPDX-License-Identifier: BSL-1.0
// ThreadPool: the interface of Pool on threads of this process.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/pool/async_result.hpp>
#include <multiprocessing/pool/call.hpp>
#include <multiprocessing/pool/calls.hpp>
#include <multiprocessing/pool/imap.hpp>
#include <multiprocessing/pool/inputs.hpp>
#include <multiprocessing/pool/options.hpp>
#include <multiprocessing/pool/pool_lifetime.hpp>
#include <multiprocessing/pool/thread_engine.hpp>
#include <multiprocessing/process/cpu_count.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A function that stays here; all items of a job call the same copy.
template <class F>
struct local_function {
    using callable = F;
    std::decay_t<F> f;
};

/// What a local call came to; one for each item.
template <class R>
class local_outcome {
  public:
    template <class F, class Arguments>
    void run(F& f, Arguments&& values) noexcept {
        try {
            if constexpr (std::is_void_v<R>) {
                std::apply(f, std::forward<Arguments>(values));
                value.emplace();
            } else {
                value.emplace(std::apply(f, std::forward<Arguments>(values)));
            }
        } catch (...) {
            error = std::current_exception();
        }
    }

    std::optional<imap_value<R>> value;
    std::exception_ptr error;
};

template <class Call, class Value>
class local_call_job : public local_job {
  public:
    using function = typename Call::callable;
    using result = result_of<function>;

    local_call_job(Call call, const job_limits& limits, std::shared_ptr<executor> runs_on)
        : local_job(limits), call_(std::move(call)), outcomes_(limits.items) {
        cell_.runs_on = std::move(runs_on);
    }
    [[nodiscard]] result_cell<Value>& cell() noexcept { return cell_; }

  protected:
    void fail_rest(const std::exception_ptr& error) override { cell_.error = error; }

    Call call_;
    std::vector<local_outcome<result>> outcomes_;
    result_cell<Value> cell_;
};

template <class Call>
class local_apply_job final : public local_call_job<Call, result_of<typename Call::callable>> {
    using base = local_call_job<Call, result_of<typename Call::callable>>;

  public:
    local_apply_job(Call call, tuple_of<typename Call::callable> values, const job_limits& limits,
                    std::shared_ptr<executor> runs_on)
        : base(std::move(call), limits, std::move(runs_on)), values_(std::move(values)) {}

    void execute(std::uint64_t) noexcept override {
        this->outcomes_[0].run(this->call_.f, std::move(*values_));
        values_.reset();
        this->forget_inputs();
    }
    void release_inputs() noexcept override { values_.reset(); }

  protected:
    void keep(std::uint64_t) override {
        if (auto& value = this->outcomes_[0].value)
            this->cell_.value.emplace(std::move(*value));
        this->cell_.error = this->outcomes_[0].error;
    }
    void fail(std::uint64_t, const std::exception_ptr& error) override {
        this->cell_.error = error;
    }

  private:
    std::optional<tuple_of<typename Call::callable>> values_;
};

template <class Items>
inline constexpr bool are_borrowed = false;
template <class Item>
inline constexpr bool are_borrowed<borrowed_items<Item>> = true;

/// Whether F can be called with an item, or with the members of a row, that stays as it is.
template <class F, class Item, bool Spread>
inline constexpr bool leaves = std::is_invocable_v<F&, const Item&>;
template <class F, class... A>
inline constexpr bool leaves<F, std::tuple<A...>, true> = std::is_invocable_v<F&, const A&...>;

/// Items that stay with the caller are copied, if they can be, if there is a time limit: the call
/// then returns while a thread may still have one.
template <class Call, class Items, bool Spread>
class local_map_job final
    : public local_call_job<Call, list_of<result_of<typename Call::callable>>> {
    using base = local_call_job<Call, list_of<result_of<typename Call::callable>>>;

  public:
    local_map_job(Call call, Items items, const job_limits& limits,
                  std::shared_ptr<executor> runs_on)
        : base(std::move(call), limits, std::move(runs_on)),
          items_(std::move(items)),
          missing_(limits.items) {
        if constexpr (are_borrowed<Items>) {
            using item = std::remove_cvref_t<decltype(items_[0])>;
            const std::span<const item> given(items_.data(), items_.size());
            if constexpr (copyable<item>())
                if (limits.timeout != std::chrono::nanoseconds::zero())
                    copies_.emplace(given);
            if (copies_)
                items_ = Items({copies_->data(), given.size()});
            else
                this->forget_inputs();
        }
        if (missing_ == 0)
            collect();
    }
    [[nodiscard]] bool borrows() const noexcept override { return are_borrowed<Items> && !copies_; }

    void execute(std::uint64_t index) noexcept override {
        using item = std::remove_cvref_t<decltype(items_[0])>;
        if constexpr (!are_borrowed<Items>) {
            run(index, this->call_.f, std::move(items_[index]));
        } else if constexpr (leaves<decltype(this->call_.f), item, Spread>) {
            run(index, this->call_.f, items_[index]);
        } else {
            static_assert(copyable<item>(),
                          "multiprocessing: the function takes its argument over, and the elements "
                          "of this range cannot be copied");
            auto with_copies = [this]<class... A>(const A&... values) ->
                typename base::result { return std::invoke(this->call_.f, A(values)...); };
            run(index, with_copies, items_[index]);
        }
    }
    void release_inputs() noexcept override {
        if constexpr (!are_borrowed<Items>)
            items_ = Items();
        copies_.reset();
    }

  protected:
    void keep(std::uint64_t index) override {
        if (this->outcomes_[index].error)
            fail(index, this->outcomes_[index].error);
        else if (--missing_ == 0)
            collect();
    }
    void fail(std::uint64_t index, const std::exception_ptr& error) override {
        if (!this->cell_.error || index < failed_)
            this->cell_.error = error;
        failed_ = std::min(failed_, index);
    }

  private:
    template <class F, class Item>
    void run(std::uint64_t index, F& f, Item&& item) noexcept {
        if constexpr (Spread)
            this->outcomes_[index].run(f, std::forward<Item>(item));
        else
            this->outcomes_[index].run(f, std::forward_as_tuple(std::forward<Item>(item)));
    }
    void collect() {
        if constexpr (std::is_void_v<typename base::result>) {
            this->cell_.value.emplace();
        } else {
            std::vector<typename base::result> list;
            list.reserve(this->outcomes_.size());
            for (auto& one : this->outcomes_)
                list.push_back(std::move(*one.value));
            this->cell_.value.emplace(std::move(list));
        }
        this->outcomes_.clear();
    }

    Items items_;
    std::optional<owned_items<std::remove_cvref_t<decltype(std::declval<Items&>()[0])>>> copies_;
    std::uint64_t missing_;  // results that are not there yet
    std::uint64_t failed_ = ~std::uint64_t{0};
};

template <class Call>
class local_chunk_job final : public local_call_job<Call, void> {
    using base = local_call_job<Call, void>;
    using item = item_of<typename Call::callable>;

  public:
    local_chunk_job(Call call, owned_items<item> items, const job_limits& limits,
                    std::shared_ptr<executor> runs_on, std::shared_ptr<finished_line> line)
        : base(std::move(call), limits, std::move(runs_on)), items_(std::move(items)) {
        results_.outcomes.resize(limits.items);
        results_.line = std::move(line);
    }
    [[nodiscard]] chunk_results<typename base::result>& results() noexcept { return results_; }

    void execute(std::uint64_t index) noexcept override {
        this->outcomes_[index].run(this->call_.f, std::forward_as_tuple(std::move(items_[index])));
        // Without a time limit one thread executes them all in a row.
        if (index + 1 == this->outcomes_.size() &&
            this->limits().timeout == std::chrono::nanoseconds::zero()) {
            release_inputs();
            this->forget_inputs();
        }
    }
    void release_inputs() noexcept override { items_ = owned_items<item>(); }

  protected:
    void keep(std::uint64_t index) override {
        auto& outcome = this->outcomes_[index];
        if (outcome.error)
            results_.set_error(index, outcome.error);
        else
            results_.set(index, std::move(*outcome.value));
    }
    void fail(std::uint64_t index, const std::exception_ptr& error) override {
        results_.set_error(index, error);
    }
    void fail_rest(const std::exception_ptr& error) override { results_.set_rest(error); }
    void notify() noexcept override { results_.line_up(*this); }

  private:
    owned_items<item> items_;
    chunk_results<typename base::result> results_;
};

/// Calls that stay in this process: nothing needs to be picklable, and lambdas may capture.
class thread_backend {
  public:
    template <class F>
    using call = local_function<F>;
    template <class Call>
    using apply_job = local_apply_job<Call>;
    template <class Call, class Items, bool Spread>
    using map_job = local_map_job<Call, Items, Spread>;
    template <class Call>
    using chunk_job = local_chunk_job<Call>;

    template <class F>
    static constexpr bool accepts = readable_call<F>;
    template <class F>
    static constexpr void check() {
        check_readable<F>();
    }

    explicit thread_backend(const PoolOptions& options)
        : engine_(thread_engine::make(
              options.processes ? options.processes->at_least(1, "processes")
                                : static_cast<std::size_t>(std::max(1, process_cpu_count())),
              options.initializer.call())) {}

    [[nodiscard]] thread_engine* get() const noexcept { return engine_.get(); }
    [[nodiscard]] std::size_t workers() const { return running().workers(); }
    [[nodiscard]] std::shared_ptr<executor> runs_on() const { return (void)running(), engine_; }
    void check_running() const { running().check_running(); }
    [[nodiscard]] thread_engine& running() const {
        if (engine_ == nullptr)
            throw ValueError("Pool not running: it was moved from");
        return *engine_;
    }

  private:
    std::shared_ptr<thread_engine> engine_;
};

}  // namespace detail

/// The calls of Pool<> carried out by threads: arguments and results are not pickled but moved, and
/// functions may capture and refer to anything.
/// @note What threads cannot do: a task that crashes ends the program; `timeout` and `cancel` give
/// up waiting and leave the thread to its task; `retries`, `maxtasksperchild` and `start_method`
/// have no effect. Its destructor waits for the tasks that run.
/// @note `map` and `starmap` refer to items that stand in a row and are of the function's own type.
/// When they are interrupted, or the pool is terminated meanwhile, they therefore return when the
/// items that run already are done; the others are dropped. With a `timeout` they copy the items,
/// and wait for those that run only where these cannot be copied.
/// From other items they return at once, as `apply` does, and what runs goes on: what a function
/// captures by reference must live on.
/// @par Python `multiprocessing.pool.ThreadPool`
class ThreadPool : public detail::free_calls<detail::thread_backend>,
                   public detail::pool_lifetime<ThreadPool> {
  public:
    /// @param processes how many threads
    template <std::integral N>
    explicit ThreadPool(N processes) : ThreadPool(PoolOptions{.processes = processes}) {}
    /// @throws ValueError for `processes` below 1; std::system_error when threads cannot be started
    explicit ThreadPool(PoolOptions options = {}) : free_calls(detail::thread_backend(options)) {}
    ThreadPool(ThreadPool&&) noexcept = default;
    ThreadPool& operator=(ThreadPool&& other) noexcept {
        if (this != &other) {
            dismiss();
            backend_ = std::move(other.backend_);
        }
        return *this;
    }
    /// terminate() and join().
    ~ThreadPool() { dismiss(); }

    /// For pool_lifetime.
    [[nodiscard]] const detail::thread_backend& backend_of_pool() const noexcept {
        return backend_;
    }

  private:
    void dismiss() noexcept {
        if (backend_.get() != nullptr)
            backend_.get()->dismiss();
    }
};

}  // namespace v0
}  // namespace multiprocessing
