// SPDX-License-Identifier: BSL-1.0
// The tracker process: one for a family of processes, ended by its end. It holds the descriptors of
// memory that was sent and has not arrived, and removes the names that the family left behind.
//
// A segment stays here while a connection holds it or a handle into it is in flight: its header
// counts those, so that sending costs no call. A process that dies lets go of what it held, because
// its connection ends with it. The memory itself belongs to nobody: the kernel frees it with the
// last descriptor and the last mapping.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
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
        std::unordered_map<tracker_id, unsigned, tracker_id_hash> holds;  ///< how often each
    };
    struct entry {
        os::descriptor fd;
        bool deposited = false;  ///< no segment: taken out once
        unsigned holds = 0;
    };
    struct question {
        int fd;
        tracker_request request;
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
            watched_.wait(ready, std::chrono::milliseconds(-1));
            for (const int fd : ready) {
                if (fd == root_.get())
                    root_.reset();
                else if (fd != listener_.get())
                    read(fd);
            }
            accept_all();
            answer_questions();
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
                for (const auto& [id, count] : held)
                    let_go(id, count);
                return;
            }
            request.path.back() = 0;
            obey(fd, found->second, request, std::move(descriptors));
        }
    }

    void obey(int fd, client& who, const tracker_request& request,
              std::vector<os::descriptor> descriptors) {
        switch (request.call) {
            case tracker_call::hold:
                if (!descriptors.empty())
                    entries_.try_emplace(request.id, entry{std::move(descriptors.front())});
                hold(who, request.id);
                break;
            case tracker_call::release:
                release(who, request.id);
                break;
            case tracker_call::deposit:
                if (!descriptors.empty())
                    entries_.try_emplace(request.id, entry{std::move(descriptors.front()), true});
                break;
            case tracker_call::attach:
            case tracker_call::withdraw:
                questions_.push_back({fd, request});
                break;
            case tracker_call::record:
                names_.insert({request.path.data(), request.file, request.kind});
                answer(fd, 1, nullptr);
                break;
            case tracker_call::forget:
                names_.erase({request.path.data(), request.file, request.kind});
                break;
        }
    }

    void hold(client& who, const tracker_id& id) {
        if (const auto found = entries_.find(id); found != entries_.end()) {
            ++found->second.holds;
            ++who.holds[id];
        }
    }

    void release(client& who, const tracker_id& id) {
        const auto found = who.holds.find(id);
        if (found == who.holds.end())
            return;
        if (--found->second == 0)
            who.holds.erase(found);
        let_go(id, 1);
    }

    void let_go(const tracker_id& id, unsigned holds) {
        const auto found = entries_.find(id);
        if (found == entries_.end())
            return;
        found->second.holds -= holds;
        if (found->second.holds == 0 && !in_flight(found->second))
            entries_.erase(found);
    }

    [[nodiscard]] static bool in_flight(const entry& segment) {
        segment_header header;
        return os::read_at(segment.fd.get(), 0, std::as_writable_bytes(std::span(&header, 1))) &&
               header.in_flight > 0;
    }

    /// Answered when everything that was said before has been read: a sender does not wait until
    /// the tracker knows what it sends, so the receiver's question may be seen first.
    void answer_questions() {
        if (questions_.empty())
            return;
        accept_all();
        std::vector<int> all;
        for (const auto& [fd, one] : clients_)
            all.push_back(fd);
        for (const int fd : all)
            read(fd);
        for (const question& one : std::exchange(questions_, {})) {
            const auto who = clients_.find(one.fd);
            if (who == clients_.end())
                continue;
            const auto found = entries_.find(one.request.id);
            const bool wanted =
                found != entries_.end() &&
                found->second.deposited == (one.request.call == tracker_call::withdraw);
            if (!answer(one.fd, wanted, wanted ? &found->second.fd : nullptr) || !wanted)
                continue;
            if (found->second.deposited)
                entries_.erase(found);
            else
                hold(who->second, one.request.id);
        }
    }

    static bool answer(int fd, bool found, const os::descriptor* attachment) {
        const tracker_answer text{found ? 1u : 0u};
        const std::array<std::span<const std::byte>, 1> parts{std::as_bytes(std::span(&text, 1))};
        const std::array<int, 1> descriptors{attachment != nullptr ? attachment->get() : -1};
        // A client asks one question at a time, so there is room for the answer.
        return os::send_packet(fd, parts,
                               attachment != nullptr
                                   ? std::span<const int>(descriptors)
                                   : std::span<const int>()) == os::send_result::sent;
    }

    void remove_names() noexcept {
        for (const recorded_name& one : names_) {
            if (one.kind == name_kind::memory)
                os::unlink_if_same(one.path, one.file);
            else
                os::unlink_if_unused(one.path, one.file);
        }
    }

    os::descriptor listener_;
    os::descriptor root_;
    os::wait_set watched_;
    std::unordered_map<int, client> clients_;
    std::unordered_map<tracker_id, entry, tracker_id_hash> entries_;
    std::set<recorded_name> names_;
    std::vector<question> questions_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
