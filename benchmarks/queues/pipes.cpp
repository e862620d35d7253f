// SPDX-License-Identifier: BSL-1.0
// The same items by bare pipes, blocking: each one's length, then its bytes.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include "../support/bare.hpp"
#include "workload.hpp"

using namespace benchmark;

namespace {

class BarePipe {
  public:
    BarePipe() { require(::pipe2(ends_, O_CLOEXEC) == 0, "pipe"); }
    BarePipe(const BarePipe&) = delete;
    BarePipe& operator=(const BarePipe&) = delete;
    ~BarePipe() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    void put(const void* bytes, std::size_t size) const { benchmark::put(ends_[1], bytes, size); }
    void get(void* bytes, std::size_t size) const { benchmark::get(ends_[0], bytes, size); }

    void put_number(std::int64_t number) const { put(&number, sizeof number); }
    [[nodiscard]] std::int64_t get_number() const {
        std::int64_t number = 0;
        get(&number, sizeof number);
        return number;
    }

  private:
    int ends_[2];
};

double items(std::size_t bytes, int count) {
    const BarePipe pipe;
    std::vector<char> received;
    return beside(
        [&] {
            put_items(bytes, count, [&](const std::vector<char>& item) {
                pipe.put_number(static_cast<std::int64_t>(item.size()));
                pipe.put(item.data(), item.size());
            });
        },
        [&] {
            return get_items(bytes, count, [&]() -> const std::vector<char>& {
                received.resize(static_cast<std::size_t>(pipe.get_number()));
                pipe.get(received.data(), received.size());
                return received;
            });
        });
}

void latency(const Options& options) {
    const BarePipe there;
    const BarePipe back;
    beside(
        [&] {
            echo([&] { return there.get_number(); },
                 [&](std::int64_t number) { back.put_number(number); });
        },
        [&] {
            report_latency(options, [&](std::int64_t number) {
                there.put_number(number);
                return back.get_number();
            });
            return 0;
        });
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    measure_items(options, items);
    if (options.wants("latency"))
        latency(options);
}
