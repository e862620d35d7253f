// SPDX-License-Identifier: BSL-1.0
// boost::asio::thread_pool with futures: the usual way to run functions on some threads.
#pragma once

#define BOOST_ERROR_CODE_HEADER_ONLY
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <future>
#include <type_traits>
#include <utility>
#include <vector>

namespace benchmark {

class AsioPool {
  public:
    explicit AsioPool(int workers) : pool_(static_cast<std::size_t>(workers)) {}

    /// `work()` on one of the threads.
    template <class Work>
    auto submit(Work work) {
        std::packaged_task<std::invoke_result_t<Work>()> task(std::move(work));
        auto result = task.get_future();
        boost::asio::post(pool_, std::move(task));
        return result;
    }

    /// One task, one future for each item.
    template <class F, class T>
    auto map(F function, const std::vector<T>& input) {
        using R = std::invoke_result_t<F, const T&>;
        std::vector<std::future<R>> futures;
        futures.reserve(input.size());
        for (const T& item : input)
            futures.push_back(submit([function, &item] { return function(item); }));
        std::vector<R> results;
        results.reserve(input.size());
        for (auto& future : futures)
            results.push_back(future.get());
        return results;
    }

  private:
    boost::asio::thread_pool pool_;
};

}  // namespace benchmark
