// SPDX-License-Identifier: BSL-1.0
// A page of counters that the tests share with workers of every start method, beside the library:
// what a task did is seen even if its result was lost.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "pool/pool_tools.hpp"

namespace pool_test {

using Cell = std::atomic<std::int64_t>;
static_assert(Cell::is_always_lock_free);

inline constexpr std::size_t board_cells = 1 << 16;
inline constexpr std::size_t board_bytes = board_cells * sizeof(Cell);
inline constexpr std::size_t serial_cell = board_cells - 1;

/// Names a board to any process while its owner lives.
struct BoardRef {
    int pid = 0;
    int fd = -1;
    int serial = 0;
};

/// The counters behind a reference; mapped once a process and kept.
inline Cell* cells(const BoardRef& ref) {
    static std::mutex mutex;
    static std::map<std::tuple<int, int, int>, Cell*> known;
    const std::scoped_lock guard(mutex);
    Cell*& entry = known[{ref.pid, ref.fd, ref.serial}];
    if (!entry) {
        const std::string path =
            "/proc/" + std::to_string(ref.pid) + "/fd/" + std::to_string(ref.fd);
        const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        void* at = ::mmap(nullptr, board_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        ::close(fd);
        if (at == MAP_FAILED) {
            throw std::runtime_error("the test's board cannot be mapped: " + path);
        }
        entry = static_cast<Cell*>(at);
        if (entry[serial_cell] != ref.serial) {  // the owner closed it and reused its number
            ::munmap(at, board_bytes);
            entry = nullptr;
            throw std::runtime_error("the test's board is gone: " + path);
        }
    }
    return entry;
}

/// Owns a board.
class Board {
  public:
    Board() : fd_(::memfd_create("test-board", MFD_CLOEXEC)), serial_(++serials()) {
        if (fd_ < 0 || ::ftruncate(fd_, static_cast<off_t>(board_bytes)) != 0) {
            throw std::runtime_error("no board for the test");
        }
        void* at = ::mmap(nullptr, board_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        if (at == MAP_FAILED) {
            throw std::runtime_error("no board for the test");
        }
        cells_ = static_cast<Cell*>(at);
        cells_[serial_cell] = serial_;
    }
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;
    ~Board() {
        ::munmap(cells_, board_bytes);
        ::close(fd_);
    }

    BoardRef ref() const { return {.pid = ::getpid(), .fd = fd_, .serial = serial_}; }
    Cell& operator[](std::size_t index) const { return cells_[index]; }
    bool reaches(std::size_t index, std::int64_t value) const {
        return eventually([&] { return cells_[index].load() >= value; });
    }

  private:
    static int& serials() {
        static int last = 0;
        return last;
    }
    int fd_;
    int serial_;
    Cell* cells_ = nullptr;
};

/// An item with a board: what the tasks of many tests take.
struct Job {
    BoardRef board;
    int index = 0;
};

inline std::vector<Job> jobs(const Board& board, int count) {
    std::vector<Job> list;
    for (int i = 0; i < count; ++i) {
        list.push_back({.board = board.ref(), .index = i});
    }
    return list;
}

/// In a task: waits until the cell reaches the value; false if the test forgot it.
inline bool await_cell(const BoardRef& board, std::size_t index, std::int64_t value) {
    Cell& cell = cells(board)[index];
    return eventually([&] { return cell.load() >= value; }, std::chrono::seconds(60));
}

// Layout used by the tasks below: counters of items start at `items`.
inline constexpr std::size_t gate = 0;      ///< tasks wait until it is 1
inline constexpr std::size_t arrivals = 1;  ///< tasks that started
inline constexpr std::size_t finished = 2;  ///< tasks that ended
inline constexpr std::size_t items = 64;

/// Counts its arrival, waits for the gate, returns its pid.
inline int wait_at_gate(BoardRef board) {
    Cell* at = cells(board);
    at[arrivals].fetch_add(1);
    await_cell(board, gate, 1);
    at[finished].fetch_add(1);
    return ::getpid();
}

/// Counts the execution of its item, returns the item's square.
inline int counted_square(const Job& job) {
    cells(job.board)[items + static_cast<std::size_t>(job.index)].fetch_add(1);
    return job.index * job.index;
}

/// Occupies `count` workers at once and returns their pids.
template <class AnyPool>
std::set<int> worker_pids(AnyPool& pool, int count) {
    Board board;
    std::vector<mp::AsyncResult<int>> results;
    for (int i = 0; i < count; ++i) {
        results.push_back(pool.apply_async(wait_at_gate, {board.ref()}));
    }
    const bool all = board.reaches(arrivals, count);
    board[gate] = 1;
    std::set<int> pids;
    for (auto& result : results) {
        pids.insert(result.get(patience));
    }
    if (!all) {
        pids.clear();
    }
    return pids;
}

}  // namespace pool_test
