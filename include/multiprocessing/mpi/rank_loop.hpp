// SPDX-License-Identifier: BSL-1.0
// What every rank but the first does: it receives calls and answers them until it is told to stop.
#pragma once

#include <chrono>
#include <thread>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/mpi/mailbox.hpp>
#include <multiprocessing/mpi/pace.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// @param service a rank_worker or a rank_relay
template <class Service>
void serve_rank(mailbox& box, Service& service) {
    heap_buffer message;
    pace idle;
    for (;;) {
        // An answer that still is on its way needs this thread: nothing is executed before it is
        // gone, or rank 0 would wait for it until that was done.
        if (!box.sending()) {
            if (const auto got = box.receive(message)) {
                idle.reset();
                if (got->what == letter::stop)
                    break;  // the last one
                service.take(got->header, message);
                continue;
            }
        }
        if (service.advance()) {
            idle.reset();
            continue;
        }
        const auto pause = idle.next();
        if (pause != std::chrono::nanoseconds::zero())
            service.rest(pause);
    }
    box.take_ahead();
    service.stop();
    box.send(0, letter::bye);
    while (box.sending())
        std::this_thread::sleep_for(std::chrono::microseconds(20));
    box.close();
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
