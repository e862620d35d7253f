// SPDX-License-Identifier: BSL-1.0
// The floor among processes: the same computations in forked processes, with one item at a time on
// the way through bare pipes.
#include <poll.h>

#include <cstring>
#include <type_traits>

#include "../support/forked.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

template <class T>
    requires std::is_trivially_copyable_v<T>
void put(std::string& bytes, const T& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <class T>
    requires std::is_trivially_copyable_v<T>
void get(std::string_view& bytes, T& value) {
    std::memcpy(&value, bytes.data(), sizeof value);
    bytes.remove_prefix(sizeof value);
}

void put(std::string& bytes, const std::string& text) {
    put(bytes, text.size());
    bytes += text;
}
void get(std::string_view& bytes, std::string& text) {
    std::size_t size = 0;
    get(bytes, size);
    text = bytes.substr(0, size);
    bytes.remove_prefix(size);
}

template <class T>
void put(std::string& bytes, const std::vector<T>& values) {
    put(bytes, values.size());
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}
template <class T>
void get(std::string_view& bytes, std::vector<T>& values) {
    std::size_t size = 0;
    get(bytes, size);
    values.resize(size);
    std::memcpy(values.data(), bytes.data(), size * sizeof(T));
    bytes.remove_prefix(size * sizeof(T));
}

void put(std::string& bytes, const Counts& counts) {
    put(bytes, counts.size());
    for (const auto& [word, count] : counts) {
        put(bytes, word);
        put(bytes, count);
    }
}
void get(std::string_view& bytes, Counts& counts) {
    std::size_t size = 0;
    get(bytes, size);
    for (std::size_t i = 0; i < size; ++i) {
        std::string word;
        std::size_t count = 0;
        get(bytes, word);
        get(bytes, count);
        counts.emplace_hint(counts.end(), std::move(word), count);
    }
}

/// A message is its size and a value.
template <class T>
void send(int fd, const T& value) {
    std::string bytes(sizeof(std::size_t), '\0');
    put(bytes, value);
    const std::size_t size = bytes.size() - sizeof size;
    std::memcpy(bytes.data(), &size, sizeof size);
    write_all(fd, bytes.data(), bytes.size());
}
/// False at the end of the stream.
template <class T>
bool receive(int fd, T& value) {
    std::size_t size = 0;
    if (!read_all(fd, &size, sizeof size))
        return false;
    std::string bytes(size, '\0');
    require(read_all(fd, bytes.data(), size), "a whole message");
    std::string_view rest = bytes;
    get(rest, value);
    return true;
}

template <class F, class T>
auto map(int worker_count, F function, const std::vector<T>& input) {
    using R = std::invoke_result_t<F, const T&>;
    const ForkedWorkers workers(worker_count, [function](int in, int out) {
        for (T item{}; receive(in, item);)
            send(out, function(item));
    });
    std::vector<R> results(input.size());
    std::vector<std::size_t> places(workers.size());
    std::vector<pollfd> ready;
    std::size_t next = 0;
    std::size_t done = 0;
    const auto give = [&](std::size_t worker) {
        if (next == input.size())
            return;
        places[worker] = next;
        send(workers[worker].to, input[next++]);
    };
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
        ready.push_back({workers[worker].from, POLLIN, 0});
        give(worker);
    }
    while (done < input.size()) {
        require(::poll(ready.data(), ready.size(), -1) > 0, "poll");
        for (std::size_t worker = 0; worker < workers.size(); ++worker) {
            if (ready[worker].revents == 0)
                continue;
            require(receive(workers[worker].from, results[places[worker]]), "a worker's answer");
            ++done;
            give(worker);
        }
    }
    return results;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    run_all(options, [&](auto function, const auto& input) {
        return map(options.workers(), function, input);
    });
}
