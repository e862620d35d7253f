// SPDX-License-Identifier: BSL-1.0
// The tracker process: one for a family of processes, ended by its end. It holds the descriptors of
// memory that was sent and has not arrived, and removes the names that the family left behind.
//
// A segment stays here while a connection holds it or a handle into it is in flight: its header
// counts those, so that sending costs no call. A process that dies lets go of what it held, because
// its connection ends with it. A handle that arrives where the memory is mapped already is not told
// of: segments that nobody holds are looked at from time to time. The memory itself belongs to
// nobody: the kernel frees it with the last descriptor and the last mapping.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <multiprocessing/memory/family.hpp>
#include <multiprocessing/memory/tracker_protocol.hpp>
#include <multiprocessing/os/abstract_socket.hpp>
#include <multiprocessing/os/limits.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/os/socket.hpp>
#include <multiprocessing/os/wait_set.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

class tracker_main {
  public:
    /// Serves until the first process of the family has ended and nobody is connected.
    /// @param listener accepts the connections of the family
    /// @param root the first process; empty when it has ended
    [[noreturn]] static void run(os::descriptor listener, os::descriptor root) noexcept {
        try {
            tracker_main tracker(std::move(listener), std::move(root));
            tracker.serve();
            tracker.remove_names();
        } catch (...) {
            os::end_process(1);  // its descriptors are closed: the family starts another one
        }
        os::end_process(0);
    }

  private:
    struct client {
        os::descriptor socket;
        std::unordered_set<tracker_id, tracker_id_hash> holds;
    };
    struct entry {
        os::descriptor fd;
        bool deposited = false;  ///< no segment: taken out once
        unsigned holds = 0;      ///< clients that hold it
    };

    tracker_main(os::descriptor listener, os::descriptor root)
        : listener_(std::move(listener)), root_(std::move(root)) {
        os::set_signal_mask(os::asynchronous_signals());
        os::leave_session();
        os::set_thread_name(tracker_name);
        os::detach_standard_streams();
        os::raise_descriptor_limit();
        watched_.add(listener_.get());
        if (root_)
            watched_.add(root_.get());
    }

    void serve() {
        std::vector<int> ready;
        while (root_ || !clients_.empty() || accept_all()) {
            watched_.wait(ready, pause_);
            for (const int fd : ready) {
                if (fd == root_.get())
                    root_.reset();
                else if (fd != listener_.get())
                    read(fd);
            }
            accept_all();
            let_go_of_arrived();
        }
    }

    bool accept_all() {
        bool any = false;
        while (auto socket = os::accept_packet_connection(listener_.get())) {
            if (!os::peer_is_same_user(socket->get()))
                continue;
            const int fd = socket->get();
            watched_.add(fd);
            clients_[fd].socket = std::move(*socket);
            any = true;
        }
        return any;
    }

    /// Reads all that a client has said.
    void read(int fd) {
        const auto found = clients_.find(fd);
        if (found == clients_.end())
            return;
        for (;;) {
            tracker_request request;
            std::vector<os::descriptor> descriptors;
            const auto size =
                os::receive_packet(fd, std::as_writable_bytes(std::span(&request, 1)), descriptors);
            if (!size)
                return;
            if (*size != sizeof request) {  // it has ended, or is no client of ours
                const auto held = std::move(found->second.holds);
                clients_.erase(found);
                for (const tracker_id& id : held)
                    let_go(id);
                return;
            }
            request.path.back() = 0;
            obey(fd, found->second, request, std::move(descriptors));
        }
    }

    void obey(int fd, client& who, const tracker_request& request,
              std::vector<os::descriptor> descriptors) {
        const recorded_name name{request.path.data(), request.file, request.kind};
        switch (request.call) {
            case tracker_call::hold:
                answer(fd, keep(request.id, std::move(descriptors), false));
                hold(who, request.id);
                break;
            case tracker_call::release:
                if (who.holds.erase(request.id) != 0)
                    let_go(request.id);
                break;
            case tracker_call::deposit:
                answer(fd, keep(request.id, std::move(descriptors), true));
                break;
            case tracker_call::attach:
                if (give(fd, request.id, false))
                    hold(who, request.id);
                break;
            case tracker_call::withdraw:
                if (give(fd, request.id, true))
                    entries_.erase(request.id);
                break;
            case tracker_call::record:
                names_.insert(name);
                answer(fd, 0);
                break;
            case tracker_call::forget:
                names_.erase(name);
                break;
        }
    }

    /// Takes a descriptor into keeping, unless it is there.
    /// @returns EMFILE when there is no room for it and some connections
    int keep(const tracker_id& id, std::vector<os::descriptor> descriptors, bool deposited) {
        if (entries_.contains(id))
            return 0;
        if (descriptors.empty() || !has_room())
            return EMFILE;
        entries_.emplace(id, entry{std::move(descriptors.front()), deposited});
        return 0;
    }
    [[nodiscard]] bool has_room() const {
        std::array<os::descriptor, 16> some;
        try {
            for (os::descriptor& one : some)
                one = os::duplicate(listener_.get());
            return true;
        } catch (const std::system_error&) {
            return false;
        }
    }
    /// Answers with a descriptor, if it is here. @returns whether it was sent
    bool give(int fd, const tracker_id& id, bool deposited) {
        const auto found = entries_.find(id);
        if (found == entries_.end() || found->second.deposited != deposited) {
            answer(fd, ENOENT);
            return false;
        }
        const std::array<int, 1> attachment{found->second.fd.get()};
        return answer(fd, 0, attachment);
    }

    void hold(client& who, const tracker_id& id) {
        const auto found = entries_.find(id);
        if (found != entries_.end() && who.holds.insert(id).second)
            ++found->second.holds;
    }
    void let_go(const tracker_id& id) {
        const auto found = entries_.find(id);
        if (found == entries_.end() || --found->second.holds > 0)
            return;
        if (in_flight(found->second))
            pause_ = shortest_pause;
        else
            entries_.erase(found);
    }

    /// Looks at the segments that were in flight when their last holder let go of them.
    void let_go_of_arrived() {
        const auto now = std::chrono::steady_clock::now();
        if (pause_ < pause_.zero() || now - looked_ < pause_)
            return;
        looked_ = now;
        bool some = false;
        const std::size_t gone = std::erase_if(entries_, [&](const auto& one) {
            const entry& segment = one.second;
            if (segment.deposited || segment.holds > 0)
                return false;
            const bool stays = in_flight(segment);
            some = some || stays;
            return !stays;
        });
        // those that were sent to nobody stay: ever fewer looks for them
        pause_ = !some ? for_ever : gone > 0 ? shortest_pause : std::min(2 * pause_, longest_pause);
    }

    [[nodiscard]] static bool in_flight(const entry& segment) {
        segment_header header;
        return os::read_at(segment.fd.get(), 0, std::as_writable_bytes(std::span(&header, 1))) &&
               header.in_flight > 0;
    }

    static bool answer(int fd, int error, std::span<const int> attachment = {}) {
        const tracker_answer text{error};
        const std::array<std::span<const std::byte>, 1> parts{std::as_bytes(std::span(&text, 1))};
        // A client asks one question at a time, so there is room for the answer.
        return os::send_packet(fd, parts, attachment) == os::send_result::sent;
    }

    /// Of a process that dies, the connection may be closed before the files: a name that is in use
    /// is tried again for a while. Whoever else uses it removes it.
    void remove_names() noexcept {
        entries_.clear();  // a named segment that was sent is in use as long as it is open here
        const auto end = std::chrono::steady_clock::now() + dying;
        for (;;) {
            std::erase_if(names_, [](const recorded_name& one) {
                if (one.kind == name_kind::counted)
                    return os::unlink_if_unused(one.path, one.file);
                os::unlink_if_same(one.path, one.file);
                return true;
            });
            if (names_.empty() || std::chrono::steady_clock::now() >= end)
                return;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    static constexpr std::chrono::milliseconds for_ever{-1};
    static constexpr std::chrono::milliseconds shortest_pause{100};
    static constexpr std::chrono::milliseconds longest_pause{10'000};
    static constexpr std::chrono::milliseconds dying{500};

    os::descriptor listener_;
    os::descriptor root_;
    os::wait_set watched_;
    std::unordered_map<int, client> clients_;
    std::unordered_map<tracker_id, entry, tracker_id_hash> entries_;
    std::set<recorded_name> names_;
    std::chrono::milliseconds pause_ = for_ever;  ///< until segments are looked at
    std::chrono::steady_clock::time_point looked_{};
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
