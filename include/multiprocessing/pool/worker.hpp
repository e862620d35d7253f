// SPDX-License-Identifier: BSL-1.0
// What a pool's worker process does: it gets ready, then executes one message after the other.
#pragma once

#include <chrono>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/pool/run_execution.hpp>
#include <multiprocessing/pool/run_sequence.hpp>
#include <multiprocessing/process/fork_server.hpp>
#include <multiprocessing/serialization/exception.hpp>
#include <multiprocessing/serialization/function.hpp>
#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/transport/worker_port.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// How long a worker looks for the next message before it sleeps. Waking it costs its parent as
/// much.
inline constexpr std::chrono::microseconds worker_spin{5};

using initializer_thunk = void (*)(input_cursor&);
using bound_thunk = std::shared_ptr<void> (*)(input_cursor&);

/// What makes a worker ready. Under fork the workers inherit it by address, so that the initializer
/// and the bound function may hold anything; else it travels as bytes.
struct pool_setup {
    std::function<void()> initializer;
    std::shared_ptr<void> bound;
    std::vector<std::byte> pickled;  // two times: code_ref of the thunk (null: none), its bytes
};

inline void save_step(output_buffer& out, void* thunk, std::span<const std::byte> bytes) {
    out.append_value(thunk == nullptr ? code_ref{} : encode_code(thunk));
    out.append_value(std::uint64_t{bytes.size()});
    out.append(bytes.data(), bytes.size());
}
/// Calls `step(thunk, bytes)` if the next step of the setup has a thunk.
template <class Thunk, class Step>
void load_step(input_cursor& in, Step step) {
    const auto thunk = in.read_value<code_ref>();
    const auto size = in.read_value<std::uint64_t>();
    input_cursor bytes({in.take(size), size});
    if (thunk.image != 0 || thunk.offset != 0)
        step(reinterpret_cast<Thunk>(decode_code(thunk)), bytes);
}

class pool_worker_loop {
  public:
    pool_worker_loop(worker_port& port, std::string name)
        : port_(&port), state_{port, name}, runner_(state_) {}

    /// Runs the initializer. @returns false when it failed; the parent is told why
    bool get_ready(child_setup& given) {
        port_->start_greeting();
        try {
            if (given.inherited != nullptr)
                inherit(*static_cast<pool_setup*>(given.inherited));
            else
                load(given.payload);
        } catch (...) {
            heap_buffer text;
            save_exception(text, std::current_exception(), state_.name);
            port_->answer().append_value(record_word(record_kind::exception, text.size()));
            port_->answer().append(text.data(), text.size());
            port_->finish_items(1);
            port_->send_answer();
            return false;
        }
        port_->send_answer();
        return true;
    }

    /// Executes messages until the parent wants the worker to retire.
    void run() {
        worker_port::message open;
        while (port_->receive(open)) {
            runner_.execute(open.items, open.body);
            port_->send_answer();
        }
    }

  private:
    void inherit(pool_setup& setup) {
        state_.bound = setup.bound.get();
        if (setup.initializer)
            setup.initializer();
    }
    void load(std::span<const std::byte> pickled) {
        input_cursor in(pickled);
        load_step<bound_thunk>(in, [&](bound_thunk thunk, input_cursor& bytes) {
            bound_ = thunk(bytes);
            state_.bound = bound_.get();
        });
        load_step<initializer_thunk>(
            in, [](initializer_thunk thunk, input_cursor& bytes) { thunk(bytes); });
    }

    worker_port* port_;
    worker_state state_;
    run_sequence runner_;
    std::shared_ptr<void> bound_;
};

/// The role of a worker process.
inline int pool_worker(child_setup& setup) {
    worker_descriptors descriptors{
        std::move(setup.descriptors.at(0)), std::move(setup.descriptors.at(1)),
        std::move(setup.descriptors.at(2)), std::move(setup.descriptors.at(3)),
        std::move(setup.descriptors.at(4))};
    worker_port port(std::move(descriptors), worker_spin);
    pool_worker_loop loop(port, setup.name);
    if (!loop.get_ready(setup))
        return 1;
    loop.run();
    return 0;
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
