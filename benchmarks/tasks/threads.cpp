// SPDX-License-Identifier: BSL-1.0
// The same tasks on threads of one process: boost::asio::thread_pool with futures, and std::async.
#define BOOST_ERROR_CODE_HEADER_ONLY
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <future>
#include <utility>
#include <vector>

#include "workload.hpp"

using namespace benchmark;

namespace {

std::future<int> submit(boost::asio::thread_pool& pool, int i) {
    std::packaged_task<int()> task([i] { return no_op(i); });
    std::future<int> result = task.get_future();
    boost::asio::post(pool, std::move(task));
    return result;
}

void apply_async(boost::asio::thread_pool& pool, int count) {
    long long sum = 0;
    const double time = seconds([&] {
        std::vector<std::future<int>> results;
        results.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i)
            results.push_back(submit(pool, i));
        for (auto& result : results)
            sum += result.get();
    });
    require(sum == expected_sum(count), "apply_async");
    report_each("apply_async", time, count);
}

void apply(boost::asio::thread_pool& pool, int count) {
    long long sum = 0;
    const double time = seconds([&] {
        for (int i = 0; i < count; ++i)
            sum += submit(pool, i).get();
    });
    require(sum == expected_sum(count), "apply");
    report_each("apply", time, count);
}

void async_get(int count) {
    long long sum = 0;
    const double time = seconds([&] {
        for (int i = 0; i < count; ++i)
            sum += std::async(std::launch::async, no_op, i).get();
    });
    require(sum == expected_sum(count), "async_get");
    report_each("async_get", time, count);
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    boost::asio::thread_pool pool(workers);
    for (int i = 0; i < 10000; ++i)
        submit(pool, i).wait();

    if (options.wants("apply_async"))
        apply_async(pool, options.size(200000, 2000));
    if (options.wants("apply"))
        apply(pool, options.size(10000, 200));
    if (options.wants("async_get"))
        async_get(options.size(10000, 200));
}
