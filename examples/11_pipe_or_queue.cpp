// SPDX-License-Identifier: BSL-1.0
// A Pipe has two ends, for two processes that talk to each other. A Queue is for any number of
// processes on either side: whoever is free takes the next item.
#include <iostream>
#include <multiprocessing.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace mp = multiprocessing;

void echo(mp::Connection parent) {
    parent.send("you said: " + parent.recv<std::string>());
}

using Jobs = mp::Queue<std::optional<int>>;

void produce(Jobs jobs, int first, int last) {
    for (int job = first; job < last; ++job)
        jobs.put(job);
}

void consume(Jobs jobs, mp::Queue<int> results) {
    while (const std::optional<int> job = jobs.get())
        results.put(*job * *job);
}

int main() {
    auto [here, there] = mp::Pipe();
    mp::Process child(echo, {there});
    child.start();
    here.send(std::string("hello"));
    std::cout << here.recv<std::string>() << '\n';
    child.join();

    Jobs jobs;
    mp::Queue<int> results;
    std::vector<mp::Process> producers, consumers;
    for (int i = 0; i < 2; ++i)
        producers.emplace_back(produce, std::tuple(jobs, 10 * i, 10 * i + 10));
    for (int i = 0; i < 3; ++i)
        consumers.emplace_back(consume, std::tuple(jobs, results));
    for (auto* processes : {&producers, &consumers})
        for (auto& process : *processes)
            process.start();

    int sum = 0;
    for (int i = 0; i < 20; ++i)
        sum += results.get();
    std::cout << "2 producers, 3 consumers, 20 jobs: the sum of the squares is " << sum << '\n';
    for (int i = 0; i < 3; ++i)
        jobs.put(std::nullopt);  // the end, once for each consumer
    for (auto* processes : {&producers, &consumers})
        for (auto& process : *processes)
            process.join();
    std::cout << "left in the queue: " << jobs.qsize() << '\n';
}
