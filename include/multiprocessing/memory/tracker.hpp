// SPDX-License-Identifier: BSL-1.0
// This process's side of the tracker: it starts one when the family has none.
//
// The tracker is this program, executed anew; it takes over before main begins. Its socket has a
// name that follows from the family's, so that all who look for it find the same one, and whoever
// binds that name first is the one who starts it.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/memory/family.hpp>
#include <multiprocessing/memory/tracker_main.hpp>
#include <multiprocessing/memory/tracker_protocol.hpp>
#include <multiprocessing/os/abstract_socket.hpp>
#include <multiprocessing/os/execute.hpp>
#include <multiprocessing/os/image.hpp>
#include <multiprocessing/os/process.hpp>
#include <multiprocessing/os/random.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/os/socket.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

inline constexpr const char* tracker_variable = "MULTIPROCESSING_TRACKER";
inline constexpr int tracker_listener = 3;
inline constexpr int tracker_root = 4;

/// The tracker's life. The process that executed it waits for the first process only: the tracker
/// is nobody's child.
[[noreturn]] inline void be_tracker() noexcept asm("multiprocessing_v0_be_tracker");
inline void be_tracker() noexcept {
    try {
        if (os::fork_process() != 0)
            os::end_process(0);
        const bool root_lives = os::is_open(tracker_root);
        tracker_main::run(os::descriptor(tracker_listener),
                          os::descriptor(root_lives ? tracker_root : -1));
    } catch (...) {
        os::end_process(1);
    }
}

/// The same function, if this program has it: only what can start a tracker need be compiled into
/// one. Null elsewhere.
[[gnu::weak]] void be_tracker_if_compiled() noexcept asm("multiprocessing_v0_be_tracker");

/// Runs before the constructors of the program's own static objects, which a tracker has no use
/// for.
struct tracker_entry {
    tracker_entry() noexcept {
        if (&be_tracker_if_compiled != nullptr && os::take_variable(tracker_variable) == "1" &&
            os::is_listening(tracker_listener))
            be_tracker_if_compiled();
    }
};
[[gnu::init_priority(101)]] inline tracker_entry tracker_entry_point;

/// A connection to the tracker of one family. All members may be called by any thread.
class tracker_client {
  public:
    explicit tracker_client(const family_id& family) : family_(family) {}

    /// Has the tracker know that this process holds a segment, if it does not already.
    /// @param fd stays open until release()
    /// @throws std::system_error (EMFILE) when the tracker has no room for it
    void hold(const tracker_id& id, int fd) {
        const std::scoped_lock lock(mutex_);
        if (held_.contains(id) && !is_gone())
            return;
        (void)ask({.call = tracker_call::hold, .id = id}, fd, true);
        held_.emplace(id, fd);
    }
    void release(const tracker_id& id) noexcept {
        try {
            const std::scoped_lock lock(mutex_);
            if (held_.erase(id) != 0 && socket_)
                send({.call = tracker_call::release, .id = id}, -1);
        } catch (...) {
            // the tracker is gone, and what it held with it
        }
    }
    /// The descriptor of a segment, which this process then holds.
    /// @returns an empty one when the tracker does not have it
    [[nodiscard]] os::descriptor attach(const tracker_id& id) {
        const std::scoped_lock lock(mutex_);
        os::descriptor fd = ask({.call = tracker_call::attach, .id = id}, -1, false);
        if (fd)
            held_.emplace(id, fd.get());
        return fd;
    }

    /// @throws std::system_error (EMFILE) when the tracker has no room for it
    void deposit(const tracker_id& id, int fd) {
        const std::scoped_lock lock(mutex_);
        (void)ask({.call = tracker_call::deposit, .id = id}, fd, true);
    }
    /// @returns the descriptor, or an empty one when the tracker does not have it
    [[nodiscard]] os::descriptor withdraw(const tracker_id& id) {
        const std::scoped_lock lock(mutex_);
        return ask({.call = tracker_call::withdraw, .id = id}, -1, false);
    }

    /// Has the tracker remove a name when the family has ended; it knows when this returns.
    /// @throws ValueError for a name that is too long
    void record(const recorded_name& name) {
        const tracker_request request = about(tracker_call::record, name);
        const std::scoped_lock lock(mutex_);
        (void)ask(request, -1, true);
        names_.insert(name);
    }
    void forget(const recorded_name& name) noexcept {
        try {
            const std::scoped_lock lock(mutex_);
            names_.erase(name);
            if (socket_)
                send(about(tracker_call::forget, name), -1);
        } catch (...) {
            // the tracker is gone, and what it knew with it
        }
    }

    /// At the end of this process: names that a killed tracker knew are told to another one.
    void secure_names() noexcept {
        try {
            const std::scoped_lock lock(mutex_);
            if (!names_.empty() && is_gone()) {
                socket_.reset();
                connect(true);
            }
        } catch (...) {
            // there is no tracker to be had
        }
    }

    // Taken across fork. A forked child has a connection of its own, once it needs one: its
    // parent's must end with the parent. It keeps the one that says that the family lives.
    void before_fork() { mutex_.lock(); }
    void after_fork_in_parent() { mutex_.unlock(); }
    void after_fork_in_child() {
        socket_.reset();
        names_.clear();
        held_.clear();
        mutex_.unlock();
    }

  private:
    /// A tracker that lives says nothing unasked.
    [[nodiscard]] bool is_gone() const { return is_gone(socket_); }
    [[nodiscard]] static bool is_gone(const os::descriptor& connection) {
        return !connection || os::poll_readable(connection.get(), std::chrono::nanoseconds::zero());
    }

    static tracker_request about(tracker_call call, const recorded_name& name) {
        tracker_request request{.call = call, .kind = name.kind, .file = name.file};
        if (name.path.size() >= request.path.size())
            throw ValueError("the name of shared memory is longer than 240 characters");
        request.set_path(name.path);
        return request;
    }

    /// Asks the tracker for something, and for a descriptor that belongs to the answer.
    /// @param fd sent along; negative: none
    /// @param start starts a tracker when there is none; else it does not have what is asked for
    /// @throws std::system_error (EMFILE)
    os::descriptor ask(const tracker_request& request, int fd, bool start) {
        for (int attempt = 0;; ++attempt) {
            if (!connect(start))
                return {};
            if (auto answer = exchange(request, fd))
                return std::move(*answer);
            socket_.reset();  // it did not live to see the call: the next attempt finds another
            if (attempt >= 3)
                throw ProcessError("the tracker process died again and again");
        }
    }

    /// @param start starts a tracker when there is none
    bool connect(bool start) {
        const Deadline deadline(patience);
        while (!socket_) {
            auto socket = os::connect_abstract(family_.socket_name());
            if (!socket && !start)
                return false;
            if (!socket)
                socket = start_tracker();
            if (socket && !os::peer_is_same_user(socket->get()))
                throw ProcessError("the tracker's name belongs to another user's process");
            if (socket) {
                socket_ = std::move(*socket);
                if (!tell_all())
                    socket_.reset();
                else if (family_.number == this_family().number && is_gone(family_lives_))
                    family_lives_ =
                        os::connect_abstract(family_.socket_name()).value_or(os::descriptor());
            }
            if (!socket_ && deadline.expired())
                throw ProcessError("the tracker process cannot be started");
        }
        return true;
    }

    /// Tells a tracker that may be a new one. @returns false when it is gone
    bool tell_all() {
        for (const recorded_name& name : names_)
            if (!exchange(about(tracker_call::record, name), -1))
                return false;
        for (const auto& [id, fd] : held_) {
            try {
                if (!exchange({.call = tracker_call::hold, .id = id}, fd))
                    return false;
            } catch (const std::system_error&) {
                // it has no room, or somebody has closed the descriptor: others are held
            }
        }
        return true;
    }

    /// @returns a connection to the new tracker; nothing when another process started one
    std::optional<os::descriptor> start_tracker() {
        if (!library_is_in_the_program())
            throw ProcessError(
                "handles cannot be sent from a shared object: the tracker process "
                "is the main program, which must include this library");
        const auto listener = os::listen_abstract(family_.socket_name());
        if (!listener)
            return std::nullopt;
        // before the tracker looks: with the family's first process dead it serves only clients
        auto socket = os::connect_abstract(family_.socket_name());
        const os::descriptor root = family_.open_root();
        const std::array<int, 2> descriptors{listener->get(), root.get()};
        pid_t pid = -1;
        {
            const os::blocked_signals blocked;
            pid = os::execute("/proc/self/exe", std::string(tracker_variable) + "=1",
                              std::span<const int>(descriptors).first(root ? 2u : 1u),
                              os::asynchronous_signals());
        }
        os::wait_for_child(pid);
        return socket;
    }

    /// The program could be anything where this is code of a plugin: executed anew it would not
    /// become a tracker but run.
    static bool library_is_in_the_program() {
        const auto place = os::place_of(reinterpret_cast<std::uintptr_t>(&be_tracker));
        return place && place->image == 0;
    }

    /// @returns false when the tracker is gone
    bool send(const tracker_request& request, int fd) {
        const std::array<std::span<const std::byte>, 1> parts{
            std::as_bytes(std::span(&request, 1))};
        const std::array<int, 1> descriptors{fd};
        const Deadline deadline(patience);
        for (;;) {
            const auto sent = os::send_packet(socket_.get(), parts,
                                              std::span(descriptors).first(fd >= 0 ? 1u : 0u));
            if (sent != os::send_result::would_block)
                return sent == os::send_result::sent;
            if (deadline.expired())
                throw ProcessError("the tracker process does not read: it is stopped");
            os::poll_writable(socket_.get(), std::chrono::milliseconds(1));
        }
    }

    /// @returns nothing when the tracker is gone; else the descriptor that came with its answer
    /// @throws std::system_error (EMFILE)
    std::optional<os::descriptor> exchange(const tracker_request& request, int fd) {
        if (!send(request, fd))
            return std::nullopt;
        const Deadline deadline(patience);
        for (;;) {
            tracker_answer answer;
            std::vector<os::descriptor> descriptors;
            bool lost = false;
            const auto size = os::receive_packet(
                socket_.get(), std::as_writable_bytes(std::span(&answer, 1)), descriptors, &lost);
            if (size && *size != sizeof answer)
                return std::nullopt;
            if (size && (lost || answer.error == EMFILE))
                os::throw_system_error(
                    lost ? "receiving a descriptor of shared memory"
                         : "sending a handle: the tracker process keeps too many descriptors",
                    EMFILE);
            if (size)
                return descriptors.empty()
                           ? os::descriptor()
                           : os::above_standard_streams(std::move(descriptors.front()));
            if (deadline.expired()) {
                socket_.reset();  // its answer would be taken for that to the next question
                throw ProcessError("the tracker process does not answer: it is stopped");
            }
            os::poll_readable(socket_.get(), wait_slice);
        }
    }

    static constexpr std::chrono::seconds patience{10};

    family_id family_;
    std::mutex mutex_;
    os::descriptor socket_;
    os::descriptor family_lives_;  ///< says nothing; forked children hold it, too
    // what another tracker is told of, after this one has died
    std::set<recorded_name> names_;
    std::unordered_map<tracker_id, int, tracker_id_hash> held_;  ///< segments, and a descriptor
};

/// The trackers that this process has to do with: its own family's, and those of handles that came
/// from other families.
class trackers {
  public:
    static tracker_client& own() { return of(this_family()); }

    /// @param family of which only the number counts, unless the tracker is to be started
    static tracker_client& of(const family_id& family) {
        trackers& all = instance();
        const std::scoped_lock lock(all.mutex_);
        return all.clients_.try_emplace(family.number, family).first->second;
    }

  private:
    trackers() {
        os::at_fork(
            [] {
                instance().mutex_.lock();
                for (auto& [number, client] : instance().clients_)
                    client.before_fork();
            },
            [] {
                for (auto& [number, client] : instance().clients_)
                    client.after_fork_in_parent();
                instance().mutex_.unlock();
            },
            [] {
                for (auto& [number, client] : instance().clients_)
                    client.after_fork_in_child();
                instance().mutex_.unlock();
            });
        std::atexit([] { own().secure_names(); });
    }
    static trackers& instance() {
        static auto& object = *new trackers;  // exit handlers still use it
        return object;
    }

    std::mutex mutex_;
    std::map<std::uint64_t, tracker_client> clients_;
};

/// A descriptor on its way to another process, as it travels.
struct descriptor_ticket {
    std::uint64_t family = 0;
    std::uint64_t first = 0;
    std::uint64_t second = 0;
};
static_assert(std::is_trivially_copyable_v<descriptor_ticket> && sizeof(descriptor_ticket) == 24);

inline tracker_id random_tracker_id() {
    tracker_id id;
    os::fill_random(&id, sizeof id);
    return id;
}

/// Gives a copy of a descriptor into the tracker's keeping, until whoever is told the ticket takes
/// it out or the family ends.
/// @throws ProcessError when no tracker can be had; std::system_error
inline descriptor_ticket deposit_descriptor(int fd) {
    const tracker_id id = random_tracker_id();
    trackers::own().deposit(id, fd);
    return {this_family().number, id.words[0], id.words[1]};
}

/// Takes out what was deposited.
/// @throws UnpicklingError when it is not there: somebody has taken it out, or the family has ended
inline os::descriptor withdraw_descriptor(const descriptor_ticket& ticket) {
    family_id family;
    family.number = ticket.family;
    os::descriptor fd = trackers::of(family).withdraw({{ticket.first, ticket.second}});
    if (!fd)
        throw UnpicklingError(
            "unpickling: the descriptor was taken out already, or its family of "
            "processes has ended");
    return fd;
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
