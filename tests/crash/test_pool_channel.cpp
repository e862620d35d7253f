// SPDX-License-Identifier: BSL-1.0
// What a worker's channel must survive: damaged answers, and no room for large values.
#include "pool/pool_faults.hpp"

#include <cstring>
#include <fstream>
#include <sstream>

using namespace pool_test;

namespace {

/// The first mapping of the worker's own channel that reaches from its control page to the queues.
std::span<std::byte> own_channel() {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    while (std::getline(maps, line)) {
        std::istringstream words(line);
        std::string range, rights, offset;
        words >> range >> rights >> offset;
        if (line.find("multiprocessing channel") != std::string::npos &&
            std::stoull(offset, nullptr, 16) == 0) {
            const auto dash = range.find('-');
            const auto from = std::stoull(range.substr(0, dash), nullptr, 16);
            const auto to = std::stoull(range.substr(dash + 1), nullptr, 16);
            return {reinterpret_cast<std::byte*>(from), to - from};
        }
    }
    throw std::runtime_error("the channel of this worker is not mapped");
}

constexpr std::size_t slot_size = mp::detail::channel_layout::message_size;

/// Overwrites random parts of what this worker has composed and not sent yet.
int damage_answers(int seed) {
    const auto staging = own_channel().subspan(mp::detail::channel_layout::staging);
    std::mt19937 random(static_cast<unsigned>(seed));
    for (std::size_t slot = 0; slot < mp::detail::channel_layout::slots; ++slot) {
        for (unsigned i = random() % 8 + 1; i != 0; --i) {
            // mostly headers and first records: what lies behind is often not read
            const std::size_t at = random() % (random() % 4 == 0 ? slot_size : 80);
            staging[slot * slot_size + at] = static_cast<std::byte>(random());
        }
    }
    return seed;
}

/// Claims that the answers lie in the arena, where there is nothing.
int forge_locations(std::uint64_t location, std::uint64_t size) {
    const auto staging = own_channel().subspan(mp::detail::channel_layout::staging);
    for (std::size_t slot = 0; slot < mp::detail::channel_layout::slots; ++slot) {
        mp::detail::result_header header;
        std::memcpy(&header, &staging[slot * slot_size], sizeof header);
        header.location = location;
        header.size = size;
        std::memcpy(&staging[slot * slot_size], &header, sizeof header);
    }
    return 1;
}

/// Forges them and dies, so that the parent reads the slots and no message.
int forge_locations_and_die(std::uint64_t location, std::uint64_t size) {
    forge_locations(location, size);
    die(Death::kill);
    return 1;
}

/// Item 0 says that the answer lies where nothing is, item 1 keeps it from being sent, unless it
/// was moved to the other worker before it began.
int forge_and_stay(int item) {
    static bool forged = false;
    if (item == 0) {
        forged = true;
        return forge_locations(std::uint64_t{1} << 40, 8);
    }
    while (forged) {
        ::pause();
    }
    return 1;
}

/// Overwrites what this worker tells of its progress.
int damage_progress(int seed) {
    const auto page = own_channel().first(4096);
    auto& control = *reinterpret_cast<mp::detail::channel_control*>(page.data());
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    switch (seed % 3) {
        case 0:
            control.claim = random();
            return seed;
        case 1:
            control.finished = random();
            break;
        default:
            control.running = random();
            break;
    }
    if (seed % 2 == 0) {
        die(Death::kill);
    }
    return seed;
}

std::string text_of(std::size_t size) {
    return std::string(size, 't');
}

std::size_t length(const std::string& text) {
    return text.size();
}

std::size_t lengths(const std::string& first, const std::vector<std::string>& others) {
    return first.size() + others.size();
}

/// Runs the body with a pool in a program of its own: the fault might be a crash of the parent.
template <class Body>
void in_a_program(Body body) {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch(6 * patience);
    ChildProgram program([method, body] {
        mp::Pool<> pool({.processes = 2, .start_method = method});
        return body(pool);
    });
    const auto code = program.wait(5 * patience);
    REQUIRE(code);
    CHECK(*code == 0);
}

/// The pool works, with all its workers.
bool works(mp::Pool<>& pool) {
    return eventually([&] {
               return outcome_of([&] { return pool.map(square, numbers(50), {.retries = 5}); }) ==
                      "value";
           }) &&
           pool.map(square, numbers(50)) == serial_squares(50) && worker_pids(pool, 2).size() == 2;
}

}  // namespace

TEST_CASE("A worker's damaged answer costs its calls and that worker, never the parent",
          "[crash][pool]") {
    in_a_program([](mp::Pool<>& pool) {
        for (int seed = 0; seed < static_cast<int>(scaled(40)); ++seed) {
            auto bad = pool.apply_async(damage_answers, {seed}, {.timeout = 5s});
            if (outcome(bad) == "pending") {
                return 1;
            }
        }
        auto list = pool.map_async(damage_answers, numbers(40), {.timeout = 5s});
        if (outcome(list) == "pending") {
            return 2;
        }
        return works(pool) ? 0 : 3;
    });
}

TEST_CASE("An answer that says it lies where nothing is fails its call", "[crash][pool]") {
    in_a_program([](mp::Pool<>& pool) {
        for (const std::uint64_t location :
             {std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{1} << 20, std::uint64_t{3} << 20,
              std::uint64_t{1} << 30, std::uint64_t{1} << 40, ~std::uint64_t{0},
              ~std::uint64_t{0} - 4096}) {
            for (const std::uint64_t size : {std::uint64_t{8}, std::uint64_t{1} << 19,
                                             std::uint64_t{1} << 29, ~std::uint64_t{0}}) {
                auto bad = pool.apply_async(forge_locations, {location, size}, {.timeout = 5s});
                auto dead =
                    pool.apply_async(forge_locations_and_die, {location, size}, {.timeout = 5s});
                const std::string told = outcome(bad);
                if (told == "value" || told == "pending") {
                    std::fprintf(stderr, "at %lx of %lx: %s\n",
                                 static_cast<unsigned long>(location),
                                 static_cast<unsigned long>(size), told.c_str());
                    return 1;
                }
                if (outcome(dead) != "WorkerLostError") {
                    return 2;
                }
            }
        }
        return works(pool) ? 0 : 3;
    });
}

TEST_CASE("A damaged answer that is read while its worker is busy costs that worker alone",
          "[crash][pool]") {
    in_a_program([](mp::Pool<>& pool) {
        auto list = pool.map_async(forge_and_stay, numbers(2), {.chunksize = 2});
        const std::string told = outcome(list);
        if (told != "UnpicklingError") {
            std::fprintf(stderr, "the call ended with: %s\n", told.c_str());
            return 1;
        }
        return works(pool) ? 0 : 3;
    });
}

TEST_CASE("A worker that lies about its progress costs its calls at most", "[crash][pool]") {
    in_a_program([](mp::Pool<>& pool) {
        for (int seed = 0; seed < static_cast<int>(scaled(40)); ++seed) {
            auto bad = pool.apply_async(damage_progress, {seed}, {.timeout = 1s});
            auto list = pool.map_async(square, numbers(20), {.timeout = 1s, .retries = 50});
            if (outcome(bad) == "pending" || outcome(list) == "pending") {
                std::fprintf(stderr, "seed %d\n", seed);
                return 1;
            }
        }
        return works(pool) ? 0 : 3;
    });
}

TEST_CASE("An argument over the limit of file sizes throws in the caller, the pool goes on",
          "[crash][pool]") {
    in_a_program([](mp::Pool<>& pool) {
        rlimit limit = {};
        ::getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = 8u << 20;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        for (int round = 0; round < 3; ++round) {
            if (outcome_of([&] { return pool.apply(length, {text_of(32u << 20)}); }) !=
                "std::system_error") {
                return 1;
            }
            if (pool.apply(length, {text_of(100'000)}) != 100'000) {
                return 2;
            }
        }
        // It fails after a part of it was written to shared memory.
        const std::vector<std::string> parts(40, text_of(1u << 20));
        auto large = pool.apply_async(lengths, {text_of(8000), parts});
        auto next = pool.apply_async(length, {text_of(100'000)});
        if (outcome(large) != "std::system_error" || outcome(next) != "value") {
            return 5;
        }
        const std::vector<std::string> texts(20, text_of(2u << 20));  // in turn they all fit
        if (pool.map(length, texts, {.chunksize = 1}) !=
            std::vector<std::size_t>(20, std::size_t{2} << 20)) {
            return 3;
        }
        return works(pool) ? 0 : 4;
    });
}

TEST_CASE("No pool is made when even its channels are over the limit of file sizes",
          "[crash][pool]") {
    const mp::StartMethod method = every_method();
    INFO("start method " << mp::to_string(method));
    Watch watch;
    ChildProgram program([method] {
        rlimit limit = {};
        ::getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = 64u << 10;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const std::string told = outcome_of([&] {
            mp::Pool<> pool({.processes = 2, .start_method = method});
            return pool.apply(square, {3});
        });
        return told == "std::system_error" ? 0 : 1;
    });
    const auto code = program.wait();
    REQUIRE(code);
    CHECK(*code == 0);
}

TEST_CASE("Time for which a program is stopped does not count towards time limits",
          "[crash][pool]") {
    Watch watch;
    Board board;
    const BoardRef ref = board.ref();
    ChildProgram program([ref] {
        mp::Pool<> pool(1);
        auto result = pool.apply_async(wait_at_gate, {ref}, {.timeout = 2s});
        const std::string told = outcome(result, 4 * patience);
        std::cerr << "the call ended with: " << told << "\n";
        return told == "value" ? 0 : 1;
    });
    REQUIRE(board.reaches(arrivals, 1));
    std::vector<int> all{program.pid()};  // and the workers; the server never stops
    for (const int server : children_of(program.pid())) {
        const auto workers = children_of(server);
        all.insert(all.end(), workers.begin(), workers.end());
    }
    CHECK(all.size() >= 2);
    const auto stopped = [](int pid) { return state_of(pid) == 'T'; };
    program.signal_group(SIGTSTP);  // as Ctrl-Z does: to the parent's group
    CHECK(eventually([&] { return std::all_of(all.begin(), all.end(), stopped); }));
    std::this_thread::sleep_for(2500ms);  // longer than the limit
    program.signal_group(SIGCONT);
    std::this_thread::sleep_for(200ms);  // room for a wrong verdict
    board[gate] = 1;
    const auto code = program.wait();
    REQUIRE(code);
    CHECK(*code == 0);
}
