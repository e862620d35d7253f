// SPDX-License-Identifier: BSL-1.0
// The body of a task message in the worker: one run after the other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/pool/run_execution.hpp>
#include <multiprocessing/serialization/function.hpp>
#include <multiprocessing/transport/message.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

class run_sequence {
  public:
    explicit run_sequence(worker_state& state) noexcept : state_(&state) {}

    /// Executes the items of a message, as far as the parent does not take them back.
    /// @throws UnpicklingError when the body is damaged or names a function that is not here
    void execute(std::uint64_t items, std::span<const std::byte> bytes) {
        input_cursor body(bytes);
        std::uint64_t index = 0;
        while (index < items) {
            const auto header = body.read_value<run_header>();
            const std::span<const std::byte> function(body.take(header.function_size),
                                                      header.function_size);
            body.take(padding(header.function_size));
            run_execution run(*state_, header, function, body, index);
            thunk_of(header)(run);
            run.end();
            if (run.index() != index + header.items)
                return;  // the parent took the rest back
            index = run.index();
            if (header.item_size != 0)
                body.take(std::min<std::uint64_t>(padding(header.item_size * header.items),
                                                  body.remaining()));
        }
    }

  private:
    run_thunk thunk_of(const run_header& header) {
        if (header.thunk_image != last_.image || header.thunk_offset != last_.offset) {
            last_ = {header.thunk_image, header.thunk_offset};
            thunk_ = reinterpret_cast<run_thunk>(decode_code(last_));
        }
        return thunk_;
    }

    worker_state* state_;
    code_ref last_{};
    run_thunk thunk_ = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
